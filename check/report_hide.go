package check

import (
	"regexp"
	"strings"
	"sync"

	"github.com/firelane/firelane/config"
)

// hidden replaces a secret.
const hidden = "***"

// secretLine finds the values of options whose names say that they are secret, in JSON, YAML, HCL and both dialects. A value that is
// the name of a variable isn't secret.
var secretLine = lazily(`(?i)((?:^|["'\s{,])[\w.@-]*(?:passw|passphrase|pass\b|pwd|connection_?string|secret|token|api_?key|license_?key|shared_key|cloud_auth|authorization|header|private_key|sec_key|webhook)[\w.@-]*["']?\s*(?:[:=]\s*|\s))("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"',}]+.*)`)

// valueLine finds the value of a variable: its name, which would say whether it is secret, is elsewhere.
var valueLine = lazily(`(?i)((?:^\s*(?:-\s+)?|[{,]\s*)["']?value["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"',}]+.*)`)

// loginWord finds the user and password of curl and wget in a command.
var loginWord = lazily(`((?:^|[\s"',])(?:-u|--user|--proxy-user)[\s"',=]+)[^\s"',]+:[^\s"',]+`)

// hide returns a line of a configuration or a task definition without its secrets.
func hide(line string) string { return hideBy(line, secretLine(), valueLine()) }

// hideBy returns a line without logins, and without the values that patterns find.
func hideBy(line string, patterns ...*regexp.Regexp) string {
	line = config.HideLogins(line)
	line = loginWord().ReplaceAllString(line, "${1}"+hidden)
	for _, pattern := range patterns {
		line = pattern.ReplaceAllStringFunc(line, func(found string) string { return hideValue(pattern.FindStringSubmatch(found)) })
	}
	return line
}

// Hide returns a line of a file, or a command, as a report shows it: without its secrets.
func Hide(line string) string { return hide(line) }

// hideValue returns a name and its value, whose text is hidden unless it only names a secret. parts are those of a pattern: the
// whole, the name with what is around it, the value.
func hideValue(parts []string) string {
	value := parts[2]
	bare := strings.Trim(value, `"'`)
	if bare == "" || strings.HasPrefix(bare, "${") || strings.HasPrefix(bare, "arn:") || strings.Contains(bare, "ENV[") || bare == "[" || bare == "{" {
		return parts[0]
	}
	if quote := value[:1]; quote == `"` || quote == "'" {
		return parts[1] + quote + hidden + quote
	}
	return parts[1] + hidden
}

// lazily compiles an expression when it is first needed, and not at every start of the process.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
