package config

import "strings"

// HideLogins returns text for people without the secrets of the URLs in it: what stands between :// and @, which may be a password with
// any sign but a slash, a blank or a quote, and the values of parameters such as token and api_key.
func HideLogins(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return hideParameters(text)
	}
	end := strings.IndexAny(rest, "/ \t\r\n\"'`")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at > 0 {
		rest = hiddenText + rest[at:]
	}
	return hideParameters(before) + "://" + HideLogins(rest)
}

// parameterWords are in the names of parameters of a URL whose values are secret, besides those of secretName. sig is in Azure's
// signed URLs, signature and credential are in those of AWS.
var parameterWords = []string{"key", "sig", "credential", "pwd"}

// hideParameters hides the values of secret parameters: ?token=value, &sig=value.
func hideParameters(text string) string {
	var b strings.Builder
	for {
		start := strings.IndexAny(text, "?&")
		if start < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:start+1])
		text = text[start+1:]
		n := strings.IndexAny(text, "=?& \t\r\n\"'`")
		if n <= 0 || text[n] != '=' || !secretParameter(text[:n]) {
			continue
		}
		b.WriteString(text[:n+1] + hiddenText)
		text = text[n+1:]
		if end := strings.IndexAny(text, "& \t\r\n\"'`"); end >= 0 {
			text = text[end:]
		} else {
			text = ""
		}
	}
}

func secretParameter(name string) bool {
	if secretName(name) {
		return true
	}
	for _, word := range parameterWords {
		if strings.Contains(fold(name), word) {
			return true
		}
	}
	return false
}
