package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// In the image there is no shell and no writable folder, and http_server is off: as by ECS Exec, a command of another process in the
// container sees its router, and one of a container that shares only the network sees none.
func TestTopAndTailLookIntoTheRouterOfTheirContainer(t *testing.T) {
	dir, err := os.MkdirTemp(world.dir, "look")
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "f.conf")
	if err := os.WriteFile(conf, []byte("[INPUT]\n  Name dummy\n  Tag t\n  Dummy {\"log\":\"seen\"}\n[OUTPUT]\n  Name null\n  Match *\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	router := docker(t, "run", "-d", "--read-only", "--network", "none", "-v", conf+":/f.conf", routerImage, "run", "-c", "/f.conf")
	defer docker(t, "rm", "-f", router)
	eventually(t, time.Minute, func() (bool, string) {
		out, err := world.docker.Run("exec", router, "/firelane", "top", "-once")
		return err == nil && strings.Contains(out, "Everything flows") && strings.Contains(out, "null.0"), out
	})
	for _, user := range []string{"0", "65534"} {
		out, err := world.docker.Run("exec", "-u", user, router, "/firelane", "top", "-once")
		if (err == nil) != (user == "0") {
			t.Errorf("user %s: got %v %s, want a picture for root alone", user, err, out)
		}
	}
	beside, err := world.docker.Run("run", "--rm", "--network", "container:"+router, routerImage, "top", "-once", "-pid", "1")
	if err == nil {
		t.Errorf("got %s in a container that shares the network, want no router", beside)
	}
	tail := world.docker.Command("exec", router, "/firelane", "tail", "-where", "log=seen")
	var out strings.Builder
	tail.Stdout = &out
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // in which records pass; the tail ends with its router
	docker(t, "stop", router)
	_ = tail.Wait()
	if !strings.Contains(out.String(), ` out null.0 t {"log":"seen"}`) {
		t.Errorf("got %s, want the records that pass", out.String())
	}
}
