package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// A testCase is an example.
type testCase struct {
	name       string
	example    string // its folder
	definition []byte // the task definition
	command    []string
	signer     string            // the access key that requests to AWS must be signed with; "": the task role's
	says       string            // what the router must log
	only       *regexp.Regexp    // of the lines that are compared, each once; nil: all
	atStop     bool              // the records arrive only when the router is stopped
	env        []string          // of the router, beyond what the task definition says
	files      map[string]string // of the image and of volumes, by path
	objects    map[string]string // in S3, by BUCKET/KEY
	sends      []txtar.File
	want       string
}

func readCase(file string) (*testCase, error) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	c := &testCase{files: map[string]string{}, objects: map[string]string{}}
	if err := c.readHead(string(a.Comment)); err != nil {
		return nil, err
	}
	for _, f := range a.Files {
		switch bucket, isObject := strings.CutPrefix(f.Name, "s3://"); {
		case f.Name == "task-definition.json":
			c.definition = f.Data
		case f.Name == "want":
			c.want = string(f.Data)
		case f.Name == "env":
			c.env = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case strings.HasPrefix(f.Name, "/"):
			c.files[f.Name] = string(f.Data)
		case isObject:
			c.objects[bucket] = string(f.Data)
		case strings.HasPrefix(f.Name, "send "), strings.HasPrefix(f.Name, "append "):
			c.sends = append(c.sends, f)
		default:
			return nil, fmt.Errorf("unknown section %q", f.Name)
		}
	}
	if c.example == "" || c.definition == nil || c.want == "" {
		return nil, fmt.Errorf("want the line example:, and the sections task-definition.json and want")
	}
	return c, nil
}

// readHead reads the lines before the first section: what the page says, and then lines "name: value".
func (c *testCase) readHead(head string) error {
	for _, line := range strings.Split(strings.TrimSpace(head), "\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "example":
			c.example = value
		case "command":
			c.command = strings.Fields(value)
		case "signer":
			c.signer = value
		case "says":
			c.says = value
		case "only":
			var err error
			if c.only, err = regexp.Compile(value); err != nil {
				return err
			}
		case "arrives":
			c.atStop = value == "at the stop"
		default:
			return fmt.Errorf("unknown line %q before the first section", line)
		}
	}
	return nil
}

// A clock recognizes times at which a case ran.
type clock struct{ from, to time.Time }

func (k clock) has(at time.Time) bool {
	return !at.Before(k.from.Add(-2*time.Second)) && !at.After(k.to.Add(2*time.Second))
}

// digits are a Unix time in seconds or milliseconds, with or without a fraction.
var digits = regexp.MustCompile(`^(\d{10})(\d{3}|\d{6}|\d{9})?(\.\d+)?$`)

// spell returns NOW for a time at which the case ran, and "" for other texts.
func (k clock) spell(text string) string {
	if m := digits.FindStringSubmatch(text); m != nil {
		if sec, err := strconv.ParseInt(m[1], 10, 64); err == nil && k.has(time.Unix(sec, 0)) {
			return "NOW"
		}
	}
	if len(text) >= 19 {
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
			if at, err := time.Parse(layout, text[:19]); err == nil && k.has(at) {
				return "NOW"
			}
		}
	}
	return ""
}

// ecsFields are those that ECS adds.
var ecsFields = []string{"ec2_instance_id", "ecs_cluster", "ecs_task_arn", "ecs_task_definition"}

// canonical returns a line of want or of what arrived in one spelling: its JSON with sorted members, and times as NOW. What comes
// before the object says where it arrived.
func (k clock) canonical(line string) string {
	line = strings.TrimSpace(strings.ReplaceAll(line, taskID, "TASK"))
	var value map[string]any
	at, rest := 0, ""
	for value == nil {
		next := strings.IndexByte(line[at:], '{')
		if next < 0 {
			return line
		}
		at += next
		d := json.NewDecoder(strings.NewReader(line[at:]))
		d.UseNumber()
		if d.Decode(&value) != nil { // such as the labels of Loki
			value = nil
			at++
			continue
		}
		rest = line[at:][d.InputOffset():]
	}
	k.simplify(value)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(value)
	return line[:at] + strings.TrimSpace(b.String()) + rest
}

// simplify replaces times, and the fields that ECS adds.
func (k clock) simplify(value map[string]any) {
	has := func(f string) bool { _, ok := value[f]; return ok }
	if !slices.ContainsFunc(ecsFields, func(f string) bool { return !has(f) }) {
		for _, f := range ecsFields {
			delete(value, f)
		}
		value["ecs"] = "all"
	}
	for name, v := range value {
		switch v := v.(type) {
		case string:
			if now := k.spell(v); now != "" {
				value[name] = now
			}
		case json.Number:
			if now := k.spell(v.String()); now != "" {
				value[name] = now
			}
		case map[string]any:
			k.simplify(v)
		}
	}
}

// chunks are the numbers of chunks among the router's metrics: they depend on when they are asked for.
var chunks = regexp.MustCompile(`("(?:fs|mem|total)_chunks(?:_up|_down)?":)\d+`)

// lines are the sorted canonical lines of a text. With a pattern it is those that match, each once.
func (c *testCase) lines(k clock, text []string) (list []string) {
	for _, line := range text {
		if strings.TrimSpace(line) != "" && (c.only == nil || c.only.MatchString(line)) {
			line = chunks.ReplaceAllString(line, "${1}0")
			list = append(list, k.canonical(line))
		}
	}
	slices.Sort(list)
	if c.only != nil {
		list = slices.Compact(list)
	}
	return list
}
