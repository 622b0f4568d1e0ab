package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/internal/freeport"
)

// inputAttacks are clients of the inputs that aren't forward.
func inputAttacks() []attack {
	slowly := steadily
	slowly.rate = 10_000
	return []attack{
		{name: "json-pieces", help: "JSON on the input tcp: a value on 300,000 lines, and as many lines of [, the last ones byte by byte", load: steadily,
			setup: jsonInput, during: sendJSONPieces, promises: attackPromises{busy: .5}},
		{name: "http-bodies", help: "24 clients that post bodies of up to 4 MB, beside 200 idle connections", load: slowly, setup: httpInput, during: postBodies},
	}
}

// nullInput adds an input whose events go to the output null.
func nullInput(a *arena, name string) error {
	port, err := freeport.Next()
	a.port = port
	a.external += fmt.Sprintf("[INPUT]\n    Name %s\n    Listen 127.0.0.1\n    Port %d\n    Tag null.x\n", name, port)
	if err != nil {
		return err
	}
	return nullOutput(a)
}

func jsonInput(a *arena) error { return nullInput(a, "tcp") }
func httpInput(a *arena) error { return nullInput(a, "http") }

// sendJSONPieces sends a long value, and lines that are the beginnings of values, both without an end.
func sendJSONPieces(ctx context.Context, a *arena) {
	const lines = 300_000
	var done sync.WaitGroup
	done.Go(func() {
		drip(ctx, a.hold(ctx, 1, "tcp", local(a.port), []byte(`{"a":[`+strings.Repeat("0,\n", lines))), []byte("0,"), 30*time.Millisecond)
	})
	drip(ctx, a.hold(ctx, 1, "tcp", local(a.port), bytes.Repeat([]byte("[\n"), lines)), []byte("[\n"), 30*time.Millisecond)
	done.Wait()
}

// postBodies posts large bodies: many small events, numbers that grow, and one long text.
func postBodies(ctx context.Context, a *arena) {
	a.hold(ctx, 200, "tcp", local(a.port), nil)
	bodies := []string{
		"[" + strings.Repeat(`{"a":1.5,"b":2.5,"c":3.5,"d":4.5,"e":1},`, 95_000) + "{}]",
		"[" + strings.Repeat("{},", 99_000) + "{}]",
		`{"a":"` + strings.Repeat("x", 3_900_000) + `"}`,
		"[" + strings.Repeat("1.5,", 900_000) + "1]",
	}
	var done sync.WaitGroup
	for n := range 24 {
		done.Go(func() {
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
			for i := n; ctx.Err() == nil; i++ {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+local(a.port)+"/null", strings.NewReader(bodies[i%len(bodies)]))
				if err != nil {
					a.fail(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if resp, err := client.Do(req); err == nil { // it may be refused
					resp.Body.Close()
				}
				sleep(ctx, 100*time.Millisecond)
			}
		})
	}
	done.Wait()
}
