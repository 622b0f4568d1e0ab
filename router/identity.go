package router

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/firelane/firelane/config"
)

// An identity is what an output is: its plugin, its match, its destination and its index, not its place in the configuration.
// ECS's agent writes outputs in any order, which must not send records to another output, with other credentials.
type identity struct {
	lines []string // config.Plan.Identity
	dead  string   // the index, where it delivers the dead letters of the output that lines describe; "" for any other
	alias string   // what the user calls it, "" for nothing; not a part of the identity
	index int      // in the plan's Outputs
}

// identityOf returns the identity of an output of the plan.
func (r *Router) identityOf(o *config.Output) identity {
	is := identity{lines: r.plan.Identity(o), alias: oneLine(o.ID)}
	is.index = slices.IndexFunc(r.plan.Outputs, func(p config.Output) bool { return p.ID == o.ID })
	if _, byPlace := placedID(o.ID); byPlace {
		is.alias = ""
	}
	return is
}

func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return '_'
		}
		return c
	}, s)
}

// placedID returns the plugin of an ID that was made of it and its place in the configuration: es.0.
func placedID(id string) (plugin string, ok bool) {
	plugin, number, ok := strings.Cut(id, ".")
	_, err := strconv.ParseUint(number, 10, 32)
	return plugin, ok && err == nil
}

// Keys of the lines of an identity.
const (
	pluginKey = "plugin"
	matchKey  = "match"
	deadKey   = "dead_letter_index"
	aliasKey  = "alias"
)

// all are the lines that the identity consists of. Names of folders are made of them.
func (is *identity) all() []string {
	if is.dead == "" {
		return is.lines
	}
	return append(slices.Clip(is.lines), deadKey+" "+is.dead)
}

// value returns the value of a line, "" if there is none.
func (is *identity) value(key string) string {
	for _, line := range is.lines {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			return value
		}
	}
	return ""
}

func (is *identity) String() string { return strings.Join(is.all(), ", ") }

// aboutHead begins the file that describes a queue.
const aboutHead = "# The output that the records in this folder are for. Its queue is found by it: don't change this file.\n"

// about is the text of the file that describes the output's queue.
func (is *identity) about() string {
	text := aboutHead + strings.Join(is.all(), "\n") + "\n"
	if is.alias != "" {
		text += aliasKey + " " + is.alias + "\n"
	}
	return text
}

// parseAbout is the reverse of about. A text that about didn't write has no lines.
func parseAbout(text string) (is identity) {
	text, ok := strings.CutPrefix(text, aboutHead)
	if !ok {
		return is
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch key, value, _ := strings.Cut(line, " "); key {
		case deadKey:
			is.dead = value
		case aliasKey:
			is.alias = value
		default:
			is.lines = append(is.lines, line)
		}
	}
	return is
}

// identityOfFolder is what is known of a queue that has no description, of a version that named folders by the ID: es.0, or an
// alias. Its dead letters had .dead after that.
func identityOfFolder(name string) (is identity) {
	id, dead := strings.CutSuffix(name, ".dead")
	if dead {
		is.dead = "?"
	}
	if plugin, ok := placedID(id); ok {
		is.lines = []string{pluginKey + " " + plugin}
	} else {
		is.alias = id
	}
	return is
}

// Parts of a queue's name.
const (
	maxMatchInName = 40 // bytes
	hashBytes      = 4
)

// queueName is short, readable, and the same for the same identity in all versions:
// <plugin>-<match>-<8 hexadecimal digits>. It has letters, digits, dots, dashes and underscores.
func (is *identity) queueName() string {
	sum := sha256.Sum256([]byte(strings.Join(is.all(), "\n")))
	name := is.value(pluginKey) + "-" + nameOfMatch(is.value(matchKey)) + "-" + hex.EncodeToString(sum[:hashBytes])
	if is.dead != "" {
		name += "-dead"
	}
	return name
}

func nameOfMatch(match string) string {
	name := strings.Map(func(c rune) rune {
		if c == '.' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, match)
	name = name[:min(len(name), maxMatchInName)]
	if name = strings.Trim(name, "._-"); name == "" {
		return "all"
	}
	return name
}

// nameQueues names the queues. Outputs with the same identity are told apart by a number: which is which doesn't matter.
func nameQueues(outputs []*output) {
	count := make(map[string]int)
	for _, o := range outputs {
		o.name = o.is.queueName()
		if count[o.name]++; count[o.name] > 1 {
			o.name = fmt.Sprintf("%s-%d", o.name, count[o.name])
		}
	}
}

// sameKind reports whether two plugins are the same, or two names of one: es and opensearch.
func sameKind(a, b string) bool {
	return a == b || optionsOf(a) != nil && optionsOf(a) == optionsOf(b)
}

// optionsOf returns the type of the options of the output plugin with that name.
func optionsOf(plugin string) reflect.Type {
	for _, p := range Catalogue() {
		if p.Kind == config.KindOutput && (slices.Contains(p.FluentBit, plugin) || slices.Contains(p.Fluentd, plugin)) {
			return reflect.TypeOf(p.Options())
		}
	}
	return nil
}
