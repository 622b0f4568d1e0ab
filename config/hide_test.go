package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No message shows the password or the token of a URL in it.
func TestHideLoginsHidesTheSecretsOfURLs(t *testing.T) {
	for text, want := range map[string]string{
		`host: "https://u:p@h:1/a" is not a host`: `host: "https://***@h:1/a" is not a host`,
		"https://u:p#?@x@h/":                      "https://***@h/",
		"http://token@h, http://u:p@g":            "http://***@h, http://***@g",
		"http://h/a@b":                            "http://h/a@b",
		"/x?a=1&token=t&b=2":                      "/x?a=1&token=***&b=2",
		"https://h/?X-Amz-Signature=s&sig=t next": "https://h/?X-Amz-Signature=***&sig=*** next",
		"what? one=two & three":                   "what? one=two & three",
		"https://h?api_key=k":                     "https://h?api_key=***",
		"://@":                                    "://@",
	} {
		if got := HideLogins(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// A file that an option names is read with a bound: neither a device nor a large file ends the router.
func TestReadFileRefusesDevicesAndLargeFiles(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/dev/zero": "is not a regular file", large: "is larger than 4 MiB", filepath.Dir(large): "is a directory", large + "r": "no such file",
	} {
		if _, err := ReadFile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
