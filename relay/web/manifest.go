package web

import (
	"encoding/json"
	"net/http"
)

// A manifest says how a browser installs the page (https://www.w3.org/TR/appmanifest/). Over plain HTTP, browsers do that only
// for localhost; others make a bookmark with the name and the icon.
type manifest struct {
	Name            string         `json:"name"`
	ShortName       string         `json:"short_name"`
	ID              string         `json:"id"`
	StartURL        string         `json:"start_url"`
	Display         string         `json:"display"`
	BackgroundColor string         `json:"background_color"`
	ThemeColor      string         `json:"theme_color"`
	Icons           []manifestIcon `json:"icons"`
}

type manifestIcon struct {
	Source  string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
}

// The grounds of the page and of its header, in style.css; a manifest has no dark ones.
const (
	groundColor = "#ffffff"
	panelColor  = "#f6f7f9"
)

// manifest answers GET /page/manifest.webmanifest. The app has the room's name.
func (h *Handler) manifest(w http.ResponseWriter, r *http.Request) {
	title := h.room.Info().Title
	answer := manifest{
		Name: title, ShortName: title, ID: "/", StartURL: "/", Display: "standalone",
		BackgroundColor: groundColor, ThemeColor: panelColor,
		Icons: []manifestIcon{
			{"/page/favicon.svg", "any", "image/svg+xml", "any"},
			{"/page/icon-192.png", "192x192", "image/png", "any maskable"},
			{"/page/icon-512.png", "512x512", "image/png", "any maskable"},
		},
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Header().Set("Cache-Control", "no-cache")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.opts.Log.Debug("write an answer", "error", err)
	}
}
