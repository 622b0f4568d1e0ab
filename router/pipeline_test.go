package router

import (
	"fmt"
	"testing"
)

func TestThePipelineNamesThePartsInOrder(t *testing.T) {
	r := opened(t, "[FILTER]\n    Name grep\n    Match app*\n    Exclude log x\n"+nullOutputs("a", "b"), nil)
	p := r.Pipeline()
	want := "[{forward.0 forward }] [{grep.0 grep app*}] [{null.0 null a} {null.1 null b}]"
	if got := fmt.Sprint(p.Inputs, p.Steps, p.Outputs); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
