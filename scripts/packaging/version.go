package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// pseudoVersion matches the version that go build gives a commit without a tag: the version that
// follows the last tag, at times a pre-release, and the commit's time and hash.
var pseudoVersion = regexp.MustCompile(`^(\d+\.\d+\.\d+)-(?:\S+\.)?(\d{8})(\d{6})-([0-9a-f]{12})$`)

// preRelease matches a tag such as 1.2.3-rc.1.
var preRelease = regexp.MustCompile(`^(\d+\.\d+\.\d+)-(alpha|beta|rc)\.?(\d*)$`)

// plainVersion matches a tag such as 1.2.3.
var plainVersion = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// checkTag returns an error if the commit has a tag that looks like a version and that go build
// did not take, such as v2.0.0: it wants the module's path to end with /v2 then.
func (r *release) checkTag() error {
	tags, err := output(exec.Command("git", "tag", "--points-at", "HEAD", "--list", "v[0-9]*"))
	if err != nil {
		return fmt.Errorf("read the commit's tags: %w", err)
	}
	list := strings.Fields(tags)
	if len(list) > 0 && !slices.Contains(list, "v"+r.version) {
		return fmt.Errorf("go build made the version %s of a commit with the tag %s\nhint: tag v0.X.Y or v1.X.Y; later ones need a module path such as chat/v2", r.version, strings.Join(list, " "))
	}
	return nil
}

// packageVersion returns a version in the form of a package format. A pre-release sorts before the
// version that it leads to, and commits sort by time.
func packageVersion(version, format string) (string, error) {
	if plainVersion.MatchString(version) {
		return version, nil
	}
	if m := pseudoVersion.FindStringSubmatch(version); m != nil {
		switch format {
		case "apk":
			return m[1] + "_alpha" + m[2] + "_p" + m[3], nil
		case "archlinux":
			return m[1] + "alpha" + m[2] + m[3] + "." + m[4], nil
		}
		return m[1] + "~git" + m[2] + m[3] + "." + m[4], nil
	}
	if m := preRelease.FindStringSubmatch(version); m != nil {
		switch format {
		case "apk":
			return m[1] + "_" + m[2] + m[3], nil
		case "archlinux":
			return m[1] + m[2] + m[3], nil
		}
		return m[1] + "~" + m[2] + m[3], nil
	}
	return "", fmt.Errorf("no %s package can have the version %s\nhint: tag releases as v1.2.3 or v1.2.3-rc.1", format, version)
}
