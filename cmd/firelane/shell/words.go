package shell

import "errors"

// A word is one word of a shell line, or one of the operators | || && ;
type word struct {
	text string
	op   bool
}

var errQuote = errors.New("unclosed quote")

// splitLine splits a shell line into words as sh does: quotes and backslashes, but no expansion of any kind.
// Redirections are ignored: nobody reads what a health check prints.
func splitLine(line string) ([]word, error) {
	var (
		words []word
		cur   []byte
		open  bool // cur is a word, possibly an empty one
	)
	end := func() {
		if open {
			words = append(words, word{text: string(cur)})
		}
		cur, open = nil, false
	}
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; ch {
		case ' ', '\t', '\n':
			end()
		case '|', '&', ';':
			end()
			op := string(ch)
			if ch != ';' && i+1 < len(line) && line[i+1] == ch {
				op += op
				i++
			}
			words = append(words, word{op, true})
		case '>':
			if len(cur) == 1 && cur[0] >= '0' && cur[0] <= '9' {
				cur, open = nil, false
			}
			end()
			i += redirection(line[i:]) - 1
		case '\'', '"':
			n, err := quoted(line[i:], &cur)
			if err != nil {
				return nil, err
			}
			i += n - 1
			open = true
		case '\\':
			if i+1 < len(line) {
				i++
				cur, open = append(cur, line[i]), true
			}
		default:
			cur, open = append(cur, ch), true
		}
	}
	end()
	return words, nil
}

// quoted appends the contents of the quoted string that s begins with, and returns its length with the quotes.
func quoted(s string, dst *[]byte) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case quote == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\' || s[i+1] == '$'):
			i++
			*dst = append(*dst, s[i])
		default:
			*dst = append(*dst, s[i])
		}
	}
	return 0, errQuote
}

// redirection is the length of the redirection that s begins with: ">/dev/null", "> FILE", ">&1".
func redirection(s string) int {
	i := 0
	for i < len(s) && (s[i] == '>' || s[i] == '&' || s[i] == ' ') {
		i++
	}
	for i < len(s) && s[i] != ' ' && s[i] != '|' && s[i] != ';' && s[i] != '&' && s[i] != '>' {
		i++
	}
	return i
}
