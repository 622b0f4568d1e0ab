package check

import (
	"path"
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
			if folder == "" || bringsFiles(c, folder) {
				continue
			}
			t.say(t.Place(g.Pos), "a volume in mountPoints of "+c.Name.Text+" and of the container that writes the files, with the same containerPath, such as "+folder,
				"The input %s reads %s in the container of the log router, where no volume is mounted: it never sees files of other containers.", in.ID, strings.TrimSpace(pattern))
			break
		}
	}
}

// folderOf is the folder of a pattern of paths, without what begins with the first wildcard; "" if it isn't known.
func folderOf(pattern string) string {
	if !strings.HasPrefix(pattern, "/") {
		return ""
	}
	if i := strings.IndexAny(pattern, "*?[{%$"); i >= 0 {
		pattern = pattern[:strings.LastIndexByte(pattern[:i], '/')+1] + "x"
	}
	return path.Dir(pattern)
}

// bringsFiles reports whether a folder of a container, or one in it, is on a volume or has files of the container itself.
func bringsFiles(c *taskdef.Container, folder string) bool {
	within := func(dir, in string) bool { return dir == in || strings.HasPrefix(dir, strings.TrimSuffix(in, "/")+"/") }
	for _, own := range ownFolders {
		if within(folder, own) {
			return true
		}
	}
	for i := range c.MountPoints {
		if at := path.Clean(c.MountPoints[i].Path); within(folder, at) || within(at, folder) {
			return true
		}
	}
	return false
}
