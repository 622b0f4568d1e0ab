package manual

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Man writes the page for man(1), as roff text.
func (m *Manual) Man(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH FIRELANE 1 \"\" \"firelane %s\" \"\"\n", roff(m.Version))
	section := func(title, text string) { fmt.Fprintf(&b, ".SH %s\n%s\n", title, roff(text)) }
	section("NAME", "firelane - "+summary)
	b.WriteString(".SH SYNOPSIS\n.B firelane\n[\\fICOMMAND\\fR] [\\fIOPTION\\fR...]\n")
	section("DESCRIPTION", without)
	fmt.Fprintf(&b, ".PP\n%s\n.SH COMMANDS\n", roff(programs))
	for i := range m.Commands {
		m.Commands[i].man(&b)
	}
	b.WriteString(".SH ENVIRONMENT\n")
	for _, v := range m.Variables {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(v.Name), roff(v.Help))
	}
	section("EXIT STATUS", "0: all is well. 1: something went wrong. 2: the command line or the configuration is wrong.")
	_, err := io.WriteString(w, b.String())
	return err
}

// man appends a command's part of the page.
func (c *Command) man(b *strings.Builder) {
	fmt.Fprintf(b, ".SS %s\n%s%s.\n", roff(c.synopsis()), roff(strings.ToUpper(c.Short[:1])), roff(c.Short[1:]))
	if c.Long != "" {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(strings.TrimSpace(c.Long)))
	}
	for _, f := range c.options() {
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(b, ".TP\n\\fB\\-%s\\fR", roff(f.Name))
		if takesValue(f) {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(value))
		}
		fmt.Fprintf(b, "\n%s\n", roff(text))
	}
}

// roff escapes what roff would take for its own: backslashes, dashes, and a dot or quote that begins a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
