package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"regexp"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// The page has a manifest by which browsers install it under the room's title, and each icon in it is there, in the
// size that it says.
func TestManifest(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	res, body := r.ask("GET", "/page/manifest.webmanifest", nil)
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 || kind != "application/manifest+json" {
		t.Fatalf("%s, %s", res.Status, kind)
	}
	var m struct {
		Name, ID, Display string
		Start             string `json:"start_url"`
		Icons             []struct{ Src, Sizes, Type, Purpose string }
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	if m.Name != "kitchen" || m.Start != "/" || m.ID != "/" || m.Display != "standalone" {
		t.Errorf("the manifest is %s", body)
	}
	sizes := map[string]bool{}
	for _, icon := range m.Icons {
		res, content := r.ask("GET", icon.Src, nil)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != icon.Type {
			t.Errorf("%s: %s, %s", icon.Src, res.Status, res.Header.Get("Content-Type"))
		}
		if icon.Type != "image/png" {
			continue
		}
		picture, err := png.DecodeConfig(bytes.NewReader([]byte(content)))
		if size := fmt.Sprintf("%dx%d", picture.Width, picture.Height); err != nil || size != icon.Sizes {
			t.Errorf("%s is %s, %v; the manifest says %s", icon.Src, size, err, icon.Sizes)
		}
		sizes[icon.Sizes] = strings.Contains(icon.Purpose, "maskable")
	}
	if !sizes["192x192"] || !sizes["512x512"] { // what Chromium asks for
		t.Errorf("the icons are %v", m.Icons)
	}
	_, page := r.ask("GET", "/", nil)
	for _, link := range regexp.MustCompile(`<link rel="(?:manifest|apple-touch-icon)" href="([^"]+)">`).FindAllStringSubmatch(page, -1) {
		if res, _ := r.ask("GET", link[1], nil); res.StatusCode != 200 {
			t.Errorf("%s: %s", link[1], res.Status)
		}
	}
}
