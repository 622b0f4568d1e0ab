package doctor

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/probe"
)

const (
	// hidden is shown instead of a secret.
	hidden = "***"
	// maxDepth is how deep an options struct is searched for secrets.
	maxDepth = 8
	// wholeWord is the length in bytes below which a secret is hidden only where it is a word: a password "es" must not make a
	// report unreadable.
	wholeWord = 5
	// partLength is how many bytes of a longer secret's beginning are hidden, too.
	partLength = 12
)

// A mask hides secrets in texts.
type mask struct{ secrets []string }

// newMask makes a mask of secrets.
func newMask(secrets []string) *mask {
	m := new(mask)
	for _, s := range secrets {
		m.add(s)
	}
	return m
}

// with returns a mask that hides more.
func (m *mask) with(secrets ...string) *mask {
	more := &mask{slices.Clone(m.secrets)}
	for _, s := range secrets {
		more.add(s)
	}
	return more
}

// add hides a secret, and what it looks like in a URL, in JSON, in HTML, in Base64.
func (m *mask) add(secret string) {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return
	}
	quoted, _ := json.Marshal(secret)
	forms := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
		strings.Trim(string(quoted), `"`), html.EscapeString(secret),
	}
	if u, err := url.Parse(secret); err == nil && u.Host != "" { // such as a URL with a token in its path
		password, _ := u.User.Password()
		forms = append(forms, password, u.RawQuery)
		if password != "" {
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		}
		if len(u.Path) > wholeWord {
			forms = append(forms, u.Path, u.RequestURI())
		}
	}
	for _, f := range forms {
		if f != "" && !slices.Contains(m.secrets, f) {
			m.secrets = append(m.secrets, f)
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
}

// addOptions adds the secrets of an options struct.
func (m *mask) addOptions(options any) { m.addValue(reflect.ValueOf(options), false, 0) }

func (m *mask) addValue(v reflect.Value, secret bool, depth int) {
	if depth > maxDepth {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			m.addValue(v.Elem(), secret, depth+1)
		}
	case reflect.Struct:
		if p, ok := v.Interface().(config.Pair); ok {
			if secret {
				m.add(p.Value)
			}
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() {
				m.addValue(v.Field(i), secret || f.Tag.Get("secret") == "true", depth+1)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			m.addValue(v.Index(i), secret, depth+1)
		}
	case reflect.String:
		if secret || v.Type() == reflect.TypeFor[config.Secret]() {
			m.add(v.String())
		}
		m.addUser(v.String())
	}
}

// addUser adds the password of a URL, or of several with commas between them.
func (m *mask) addUser(s string) {
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == ',' || unicode.IsSpace(c) }) {
		if u, err := url.Parse(part); err == nil && u.User != nil {
			password, _ := u.User.Password()
			m.add(password)
			m.add(u.User.String())
		}
	}
}

// addHeaders adds the values of the headers that a target's requests have, such as Authorization.
func (m *mask) addHeaders(t *probe.Target) {
	if t.HTTP == nil {
		return
	}
	if t.HTTP.Proxy != nil {
		m.add(t.HTTP.Proxy.String())
	}
	for name, values := range t.HTTP.Header {
		if !t.Secrets || name == "Content-Type" || name == "User-Agent" {
			continue
		}
		for _, v := range values {
			m.add(v)
			if _, token, ok := strings.Cut(v, " "); ok { // Basic, ApiKey, Splunk
				m.add(token)
			}
		}
	}
}

// hide replaces the secrets in s.
func (m *mask) hide(s string) string {
	for _, secret := range m.secrets {
		switch {
		case len(secret) > partLength && !strings.Contains(secret, "://"):
			s = hidePart(s, secret)
		case len(secret) >= wholeWord:
			s = strings.ReplaceAll(s, secret, hidden)
		default:
			s = hideWord(s, secret)
		}
	}
	return s
}

// hidePart replaces secret, and its beginning of partLength bytes at least: errors are cut at a length.
func hidePart(s, secret string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, secret[:partLength])
		if i < 0 {
			return out.String() + s
		}
		n := partLength
		for n < len(secret) && i+n < len(s) && s[i+n] == secret[n] {
			n++
		}
		out.WriteString(s[:i] + hidden)
		s = s[i+n:]
	}
}

// hideWord replaces word where neither a letter nor a digit is beside it.
func hideWord(s, word string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			return out.String() + s
		}
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(word):])
		out.WriteString(s[:i])
		if i > 0 && isWord(before) || i+len(word) < len(s) && isWord(after) {
			out.WriteString(word)
		} else {
			out.WriteString(hidden)
		}
		s = s[i+len(word):]
	}
}

func isWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// clean makes a fact safe to print: no secret, one line, and no longer than maxText.
func (m *mask) clean(f probe.Fact) probe.Fact {
	f.Step, f.Text, f.Fix = visible(f.Step), visible(m.hide(f.Text)), visible(m.hide(f.Fix))
	return f
}

// visible returns s with everything that a terminal would act on, or that isn't shown, as text: \x1b, \u202e.
func visible(s string) string {
	var out strings.Builder
	n := 0
	for i, c := range s {
		if n++; n > maxText {
			out.WriteString("…")
			break
		}
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			appendHex(&out, `\x`, uint32(s[i]), 2)
		case c == '\n' || c == '\t' || c == '\r':
			out.WriteByte(' ')
		case unicode.IsPrint(c):
			out.WriteRune(c)
		case c < 0x100:
			appendHex(&out, `\x`, uint32(c), 2)
		case c < 0x10000:
			appendHex(&out, `\u`, uint32(c), 4)
		default:
			appendHex(&out, `\U`, uint32(c), 8)
		}
	}
	return out.String()
}

func appendHex(out *strings.Builder, prefix string, n uint32, digits int) {
	const hex = "0123456789abcdef"
	out.WriteString(prefix)
	for i := digits - 1; i >= 0; i-- {
		out.WriteByte(hex[n>>(4*i)&0xf])
	}
}
