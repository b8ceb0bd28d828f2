package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// cycloneDX is the program that writes SBOMs. go run compares it with Go's checksum database.
const cycloneDX = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// writeSBOM writes the SBOM of a program: the modules that are in it, with their hashes and the
// licenses that were recognized.
func (r *release) writeSBOM(t target, program string) error {
	path := filepath.Join(r.work, "sbom.json")
	cmd := exec.Command("go", "run", cycloneDX, "bin", "-json", "-licenses", "-noserial", "-notimestamp", "-output", path, program)
	cmd.Env = toolEnvironment()
	if _, err := output(cmd); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err = r.repeatableSBOM(text)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(r.out, r.archiveFolder(t)+".cdx.json"), text, 0o644)
}

// repeatableSBOM gives an SBOM the commit's time, and takes out the hashes of the program that
// wrote it, which differ from machine to machine.
func (r *release) repeatableSBOM(text []byte) ([]byte, error) {
	var bom map[string]any
	if err := json.Unmarshal(text, &bom); err != nil {
		return nil, err
	}
	metadata, ok := bom["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the SBOM has no metadata")
	}
	metadata["timestamp"] = r.time.Format(time.RFC3339)
	tools, ok := metadata["tools"].([]any)
	if !ok {
		return nil, fmt.Errorf("the SBOM has no list of tools")
	}
	for _, tool := range tools {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	out, err := json.MarshalIndent(bom, "", "  ")
	return append(out, '\n'), err
}

// toolEnvironment returns the environment in which go run builds and runs a tool: the user's, which
// can download it, for this machine.
func toolEnvironment() []string {
	return append(os.Environ(), "GOFLAGS=-trimpath", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
}
