package servers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Docker is a Docker engine of its own: its images, containers and socket are in one folder, and it touches no
// firewall and no bridge. Containers have --network none or host.
type Docker struct {
	*Process
	dir string
}

// StartDocker starts an engine in dir, whose path must be short: sockets are in it (108 bytes at most).
// The storage driver is vfs, which works on every file system and is cheap enough for images of one file.
func StartDocker(dir string) (*Docker, error) {
	d := &Docker{dir: dir}
	p, err := start(filepath.Join(dir, "dockerd.log"), exec.Command("dockerd",
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"-H", d.host(), "--pidfile", filepath.Join(dir, "pid"),
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs"))
	if err != nil {
		return nil, err
	}
	d.Process = p
	return d, p.ready(time.Minute, func() bool { return d.Command("version").Run() == nil })
}

func (d *Docker) host() string { return "unix://" + filepath.Join(d.dir, "docker.sock") }

// Command is the docker client, pointed at this engine.
func (d *Docker) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	// The classic builder: the other one is a plugin, which not every machine has.
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.host(), "DOCKER_BUILDKIT=0")
	return cmd
}

// Run runs the client to its end and returns what it printed, less the last newline.
func (d *Docker) Run(args ...string) (string, error) {
	var out, errs strings.Builder
	cmd := d.Command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("docker %s: %w: %s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Build makes an image from a Dockerfile whose only source is the context folder.
func (d *Docker) Build(tag, dockerfile, context string) error {
	_, err := d.Run("build", "-q", "-t", tag, "-f", dockerfile, context)
	return err
}

// Import makes an image of one static program, /bin/NAME.
func (d *Docker) Import(tag, program string) error {
	cmd := d.Command("import", "-", tag)
	tar := exec.Command("tar", "-c", "-C", filepath.Dir(program), "--transform", "s,^,bin/,", filepath.Base(program))
	pipe, err := tar.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stdin = pipe
	if err := tar.Start(); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import %s: %w: %s", tag, err, out)
	}
	return tar.Wait()
}

// Stop ends the engine, its containers with it, and undoes what it mounted in its folder, so that it can be removed.
func (d *Docker) Stop() {
	d.Process.Stop(30 * time.Second)
	for _, at := range mountsUnder(d.dir) {
		syscall.Unmount(at, syscall.MNT_DETACH)
	}
}

// mountsUnder are the mount points below dir, the innermost first.
func mountsUnder(dir string) []string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer f.Close()
	var points []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			points = append(points, fields[1])
		}
	}
	slices.Reverse(points)
	return points
}
