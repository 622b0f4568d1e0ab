package taskdef_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/ecs/taskdef"
)

// Whatever a file has, reading it ends without a panic; each value has a line of the file, and each line of the rendered text a place.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && filepath.Ext(file) != ".txt" && len(data) < 16<<10 {
			f.Add(filepath.Ext(file) == ".yaml", data)
		}
	}
	f.Add(false, []byte(`{"Resources":{"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Fn::If":[1,{"Name":{"Fn::Sub":["${a}${!b}${",{"a":{"Fn::Join":["",["x",{"Ref":"y"}]]}}]}}]}]}}}}`))
	f.Add(true, []byte("Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties: &a\n      ContainerDefinitions: [*a, !Ref b, !Sub [c, {d: *a}]]\n"))
	f.Add(false, []byte("\xef\xbb\xbf[{\"name\":\"\\ud83d\\u0041\",\"logConfiguration\":{\"secretOptions\":[null]},\"firelensConfiguration\":{\"type\":\"fluentd\"}}]"))
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		name := map[bool]string{true: "file.yaml", false: "file.json"}[yaml]
		list, problems, err := taskdef.Read(name, data)
		if err != nil && (len(list) > 0 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%d task definitions and the error %v", len(list), err)
		}
		lines := strings.Count(string(data), "\n") + 1
		if !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(string(data), "\xef\xbb\xbf")), "{") { // YAML, which has other ends of lines, too
			lines += len(data)
		}
		within := func(at taskdef.Place) {
			if at.File != "" && (at.Line < 0 || at.Line > lines+1) {
				t.Errorf("line %d of %d: %s", at.Line, lines, at.Path)
			}
		}
		for _, p := range problems {
			within(p.Place)
		}
		for _, d := range list {
			within(d.Place)
			if d.Router() == nil {
				continue
			}
			r := taskdef.Render(d, true, nil)
			if n := strings.Count(r.Text, "\n"); n != len(r.Lines) {
				t.Errorf("%d places of %d lines", len(r.Lines), n)
			}
			for _, at := range r.Lines {
				within(at)
			}
		}
	})
}
