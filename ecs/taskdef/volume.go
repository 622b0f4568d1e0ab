package taskdef

import "strings"

// A Volume is one of a task definition's volumes.
type Volume struct {
	Name string
	Kind VolumeKind
}

// A VolumeKind says how long a volume lasts.
type VolumeKind uint8

// The kinds.
const (
	OtherVolume VolumeKind = iota // the task definition doesn't tell
	TaskVolume                    // no later task gets it
	HostVolume                    // tasks of the same EC2 instance get it
	EFSVolume                     // every task gets it
)

// Volume returns the volume of that name. One that isn't there is an OtherVolume.
func (d *Definition) Volume(name string) Volume {
	for _, v := range d.Volumes {
		if v.Name == name {
			return v
		}
	}
	return Volume{Name: name}
}

// volume reads one of the volumes, with the keys of the API, of CloudFormation or of Terraform. A bind mount without a folder of the
// instance ends with the task ("Use bind mounts with Amazon ECS"), and so does a Docker volume whose scope isn't shared. A volume that
// is configured at launch is one of EBS, which no other task gets.
func volume(n *node) Volume {
	v := Volume{Kind: TaskVolume}
	for _, m := range n.members {
		value := m.node
		if value.kind == list && len(value.items) > 0 { // Terraform's blocks
			value = value.items[0]
		}
		given := value.kind == object || value.kind == text && (value.text != "" || value.unknown)
		switch key := folded(m.key); {
		case key == "name":
			v.Name = value.text
		case key == "efsvolumeconfiguration" && given:
			v.Kind = EFSVolume
		case key == "fsxwindowsfileservervolumeconfiguration" && given:
			v.Kind = OtherVolume
		case key == "hostpath" && given, key == "host" && hasSource(value):
			v.Kind = HostVolume
		case key == "dockervolumeconfiguration" && isShared(value):
			v.Kind = HostVolume
		}
	}
	return v
}

// hasSource reports whether a volume's host names a folder of the instance.
func hasSource(n *node) bool {
	for _, m := range n.members {
		if folded(m.key) == "sourcepath" {
			return m.kind == text && (m.text != "" || m.unknown)
		}
	}
	return false
}

// isShared reports whether a Docker volume outlives the task.
func isShared(n *node) bool {
	for _, m := range n.members {
		if folded(m.key) == "scope" {
			return strings.EqualFold(m.text, "shared") || m.unknown
		}
	}
	return false
}
