package check

import (
	"regexp"
	"strings"
)

// hidden replaces a secret.
const hidden = "***"

// secretLine finds the values of options whose names say that they are secret, in JSON, YAML, HCL and both dialects. A value that is
// the name of a variable is none.
var secretLine = regexp.MustCompile(`(?i)((?:^|["'\s{,])[\w.@-]*(?:passw|passphrase|secret|token|api_?key|license_?key|shared_key|cloud_auth|authorization|header|private_key|sec_key)[\w.@-]*["']?\s*(?:[:=]\s*|\s))("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"',}]+.*)`)

// userInfo finds the user and password of a URL.
var userInfo = regexp.MustCompile(`://[^/\s"'@]*:[^/\s"']*@`)

// hide returns a line of a configuration or a task definition without its secrets.
func hide(line string) string {
	line = userInfo.ReplaceAllString(line, "://"+hidden+"@")
	return secretLine.ReplaceAllStringFunc(line, func(found string) string {
		parts := secretLine.FindStringSubmatch(found)
		value := parts[2]
		bare := strings.Trim(value, `"'`)
		if bare == "" || strings.HasPrefix(bare, "${") || strings.HasPrefix(bare, "arn:") || strings.Contains(bare, "ENV[") || bare == "[" || bare == "{" {
			return found
		}
		quote := ""
		if value[0] == '"' || value[0] == '\'' {
			quote = value[:1]
		}
		return parts[1] + quote + hidden + quote
	})
}
