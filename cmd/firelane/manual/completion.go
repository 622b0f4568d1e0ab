package manual

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Shells are the shells that there is completion for.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Completion writes the script that completes firelane's command line in a shell. ok is false if the shell is none of Shells.
func (m *Manual) Completion(w io.Writer, shell string) (ok bool, err error) {
	var b strings.Builder
	switch shell {
	case "bash":
		m.bash(&b)
	case "zsh":
		m.zsh(&b)
	case "fish":
		m.fish(&b)
	default:
		return false, nil
	}
	_, err = io.WriteString(w, b.String())
	return true, err
}

// isFile reports whether an option's value is a file or a folder.
func isFile(f *flag.Flag) bool {
	value, _ := flag.UnquoteUsage(f)
	return value == "FILE" || value == "FOLDER"
}

func (m *Manual) names() (list []string) {
	for i := range m.Commands {
		list = append(list, m.Commands[i].Name)
	}
	return list
}

// bash writes completion for bash. What it doesn't complete, bash completes as a file name.
func (m *Manual) bash(b *strings.Builder) {
	fmt.Fprintf(b, `# Completion of firelane for bash: source <(firelane completion bash)
_firelane() {
	local word=${COMP_WORDS[COMP_CWORD]} options= first=
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W '%s' -- "$word"))
		return
	fi
	case ${COMP_WORDS[1]} in
`, strings.Join(m.names(), " "))
	for i := range m.Commands {
		c := &m.Commands[i]
		var options []string
		for _, f := range c.options() {
			options = append(options, "-"+f.Name)
		}
		fmt.Fprintf(b, "\t%s) options='%s' first='%s' ;;\n", c.Name, strings.Join(options, " "), strings.Join(c.Words, " "))
	}
	b.WriteString(`	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
	*) [ "$COMP_CWORD" != 2 ] || COMPREPLY=($(compgen -W "$first" -- "$word")) ;;
	esac
}
complete -o default -F _firelane firelane
`)
}

// quoted is text in a shell's single quotes.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func (m *Manual) zsh(b *strings.Builder) {
	b.WriteString(`#compdef firelane
# Completion of firelane for zsh: firelane completion zsh > a file _firelane in a folder of fpath
_firelane() {
	local -a commands options first
	if (( CURRENT == 2 )); then
		commands=(
`)
	for i := range m.Commands {
		fmt.Fprintf(b, "\t\t\t%s\n", quoted(m.Commands[i].Name+":"+m.Commands[i].Short))
	}
	b.WriteString("\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tcase $words[2] in\n")
	for i := range m.Commands {
		c := &m.Commands[i]
		fmt.Fprintf(b, "\t%s)\n\t\tfirst=(%s)\n\t\toptions=(\n", c.Name, strings.Join(c.Words, " "))
		for _, f := range c.options() {
			value, text := flag.UnquoteUsage(f)
			spec := "-" + f.Name + "[" + strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(text) + "]"
			switch {
			case takesValue(f) && isFile(f):
				spec += ":" + value + ":_files"
			case takesValue(f):
				spec += ":" + value + ":"
			}
			fmt.Fprintf(b, "\t\t\t%s\n", quoted(spec))
		}
		b.WriteString("\t\t)\n\t\t;;\n")
	}
	b.WriteString(`	esac
	if (( CURRENT == 3 && $#first )) && [[ $PREFIX != -* ]]; then
		compadd -a first
		return
	fi
	shift words
	(( CURRENT-- ))
	_arguments $options '*:file:_files'
}
if [[ $funcstack[1] = _firelane ]]; then
	_firelane "$@"
else
	compdef _firelane firelane
fi
`)
}

func (m *Manual) fish(b *strings.Builder) {
	b.WriteString("# Completion of firelane for fish: firelane completion fish | source\n")
	for i := range m.Commands {
		c := &m.Commands[i]
		fmt.Fprintf(b, "complete -c firelane -n __fish_use_subcommand -f -a %s -d %s\n", c.Name, fishQuoted(c.Short))
	}
	for i := range m.Commands {
		c := &m.Commands[i]
		line := fmt.Sprintf("complete -c firelane -n '__fish_seen_subcommand_from %s'", c.Name)
		if len(c.Words) > 0 {
			words := strings.Join(c.Words, " ")
			fmt.Fprintf(b, "complete -c firelane -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s' -f -a '%s'\n", c.Name, words, words)
		}
		for _, f := range c.options() {
			_, text := flag.UnquoteUsage(f)
			takes := ""
			switch {
			case takesValue(f) && isFile(f):
				takes = " -r -F"
			case takesValue(f):
				takes = " -x"
			}
			fmt.Fprintf(b, "%s -o %s%s -d %s\n", line, f.Name, takes, fishQuoted(text))
		}
	}
}

// fishQuoted is text in fish's single quotes, in which a backslash escapes itself and the quote.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
