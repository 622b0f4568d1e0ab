package main

import (
	"strings"
	"testing"
)

func TestDemoLogsAndFindsItsDocuments(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{", 7 documents", `"ecs_task_definition": "web:7"`, "received 7 = delivered 7 "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestDemoRefusesATargetThatIsNoURL(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, "localhost"); err == nil || !strings.Contains(err.Error(), "want http://127.0.0.1:9200") {
		t.Errorf("got %v", err)
	}
}
