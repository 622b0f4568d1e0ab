package serve

import (
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
)

// Separator reads the option separator of Fluent Bit's inputs: text with escapes. "" is a newline.
func Separator(s string) ([]byte, error) {
	if s == "" {
		return []byte{'\n'}, nil
	}
	if strings.Contains(s, `\0`) {
		s = strings.ReplaceAll(s, `\0`, `\x00`)
	}
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		return nil, &config.OptionError{Option: "separator", Reason: `must be text with the escapes \n, \t, \r, \0 and \xNN`}
	}
	return []byte(out), nil
}
