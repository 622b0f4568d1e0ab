package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

func inputRules() []Rule {
	return []Rule{
		{"F534", "files-unseen", Warning, "an input reads files in the log router's own container, where no volume brings those of other containers", forTask(filesUnseen)},
	}
}

// ownFolders are folders in which the router's container has files itself: the kernel's, firelane's, and those of the image.
var ownFolders = []string{"/proc", "/sys", "/dev", "/etc", "/fluent-bit", "/fluentd", "/ecs", router.DefaultDir}

// filesUnseen tells of inputs that wait for files which nobody can write: the container runs the router alone. With a command of its
// own it may run something else, too.
func filesUnseen(t *task) {
	c := t.Router
	if c == nil || !t.planned() || c.Image.Unknown || c.VolumesFrom || len(c.EntryPoint)+len(c.Command) > 0 {
		return
	}
	for i := range t.Plan.Inputs {
		in := &t.Plan.Inputs[i]
		g, ok := firstGiven(&in.Instance, "path")
		if !ok || !strings.EqualFold(in.Name, "tail") {
			continue
		}
		for pattern := range strings.SplitSeq(g.Value, ",") {
			folder := folderOf(strings.TrimSpace(pattern))
			if folder == "" {
				continue
			}
			if bringsFiles(c, folder) {
				if m := mountOf(c, folder); m != nil && !isOwn(folder) && t.onlyHere(m.Volume) {
					t.say(t.Place(g.Pos), fmt.Sprintf("the volume %q in mountPoints of the container that writes the files, too; or remove this input", m.Volume),
						"The input %s reads %s on the volume %q, which ends with the task and which no other container mounts: files of other containers never appear there.", in.ID, strings.TrimSpace(pattern), m.Volume)
					break
				}
				continue
			}
			t.say(t.Place(g.Pos), "one volume in mountPoints of both the container that writes the files and "+c.Name.Text+", there at "+folder+"; or remove this input",
				"The input %s reads %s in the container of the log router, and no volume is mounted at %s: it never sees files of other containers.", in.ID, strings.TrimSpace(pattern), folder)
			break
		}
	}
}

// onlyHere reports whether a volume that begins empty with the task is mounted by the log router alone.
func (t *task) onlyHere(volume string) bool {
	if t.lasts(&taskdef.Mount{Volume: volume}) {
		return false
	}
	for i := range t.Containers {
		c := &t.Containers[i]
		if c != t.Router && (c.VolumesFrom || slices.ContainsFunc(c.MountPoints, func(m taskdef.Mount) bool { return m.Volume == volume })) {
			return false
		}
	}
	return true
}

// folderOf is the folder of a pattern of paths: what is before its last slash, or before the last slash in front of its first wildcard;
// "" if it isn't known.
func folderOf(pattern string) string {
	if !strings.HasPrefix(pattern, "/") {
		return ""
	}
	if i := strings.IndexAny(pattern, "*?[{%$"); i >= 0 {
		pattern = pattern[:strings.LastIndexByte(pattern[:i], '/')+1] + "x"
	}
	return path.Dir(pattern)
}

// inFolder reports whether a folder is another one, or in it.
func inFolder(dir, in string) bool {
	return dir == in || strings.HasPrefix(dir, strings.TrimSuffix(in, "/")+"/")
}

// isOwn reports whether the router's container itself has files in a folder.
func isOwn(folder string) bool {
	return slices.ContainsFunc(ownFolders, func(own string) bool { return inFolder(folder, own) })
}

// bringsFiles reports whether a folder of a container, or one in it, is on a volume or has files of the container itself.
func bringsFiles(c *taskdef.Container, folder string) bool {
	if isOwn(folder) {
		return true
	}
	for i := range c.MountPoints {
		if at := path.Clean(c.MountPoints[i].Path); inFolder(folder, at) || inFolder(at, folder) {
			return true
		}
	}
	return false
}
