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

// Docker is a separate Docker engine: its images, containers and socket are in one folder, and it doesn't touch the machine's
// firewall or bridges. Containers run with --network none or host.
type Docker struct {
	*Process
	dir string
}

// StartDocker starts an engine in dir, whose path must be short, since that of a socket in it may have 108 bytes at most.
// The storage driver is vfs, which works on every file system, and is fast enough for images of one file.
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
	return d, p.ready(3*time.Minute, func() bool { return d.Command("version").Run() == nil })
}

func (d *Docker) host() string { return "unix://" + filepath.Join(d.dir, "docker.sock") }

// Command returns a command of the docker client for this engine.
func (d *Docker) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	// The classic builder, since BuildKit needs a plugin that not every machine has.
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.host(), "DOCKER_BUILDKIT=0")
	return cmd
}

// Run runs a command of the docker client and returns its output, trimmed.
func (d *Docker) Run(args ...string) (string, error) {
	var out, errs strings.Builder
	cmd := d.Command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("docker %s: %w: %s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Load loads the image in a tar file.
func (d *Docker) Load(file string) error {
	_, err := d.Run("load", "-q", "-i", file)
	return err
}

// Import makes an image with one static program, as /bin/NAME.
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

// Stop ends the engine with its containers, and unmounts what it mounted in its folder, so that the folder can be removed.
func (d *Docker) Stop() {
	d.Process.Stop(30 * time.Second)
	for _, at := range mountsUnder(d.dir) {
		syscall.Unmount(at, syscall.MNT_DETACH)
	}
}

// mountsUnder returns the mount points below dir, innermost first.
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
