package admin

import (
	"net"
	"os"
	"strconv"
	"testing"
)

// A process that has taken another one's name isn't asked: it could show what it wants.
func TestARouterIsTheProcessOfItsName(t *testing.T) {
	own, err := ListenLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	c, err := DialLocal(t.Context(), os.Getpid())
	if err != nil {
		t.Fatalf("got %v, want a connection to this process", err)
	}
	c.Close()
	const other = 1 // which is not this one
	taken, err := net.Listen("unix", localPrefix()+strconv.Itoa(other))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if c, err := DialLocal(t.Context(), other); err == nil {
		c.Close()
		t.Error("got a connection to a process that has another one's name, want an error")
	}
}
