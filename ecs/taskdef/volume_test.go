package taskdef_test

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/ecs/taskdef"
)

// Whether a later task gets what is on a volume depends on its kind, however the task definition is written.
func TestAVolumeLastsOnlyIfSomethingKeepsIt(t *testing.T) {
	const (
		api       = `{"containerDefinitions": [{"name": "a", "image": "b"}], "volumes": [VOLUME]}`
		terraform = `{"terraform_version": "1.11.4", "planned_values": {"root_module": {"resources": [{"type": "aws_ecs_task_definition", "mode": "managed", "address": "aws_ecs_task_definition.a",
			"values": {"container_definitions": "[{\"name\": \"a\", \"image\": \"b\"}]", "volume": [VOLUME]}}]}}}`
		template = `{"Resources": {"A": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": "b"}], "Volumes": [VOLUME]}}}}`
	)
	for _, c := range []struct {
		file, volume string
		want         taskdef.VolumeKind
	}{
		{api, `{"name": "q"}`, taskdef.TaskVolume},
		{api, `{"name": "q", "host": {}}`, taskdef.TaskVolume},
		{api, `{"name": "q", "host": {"sourcePath": ""}}`, taskdef.TaskVolume},
		{api, `{"name": "q", "host": {"sourcePath": "/data"}}`, taskdef.HostVolume},
		{api, `{"name": "q", "dockerVolumeConfiguration": {"driver": "local"}}`, taskdef.TaskVolume},
		{api, `{"name": "q", "dockerVolumeConfiguration": {"scope": "shared"}}`, taskdef.HostVolume},
		{api, `{"name": "q", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}`, taskdef.EFSVolume},
		{api, `{"name": "q", "fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-1"}}`, taskdef.OtherVolume},
		{api, `{"name": "q", "configuredAtLaunch": true}`, taskdef.TaskVolume},
		{api, `{"name": "other"}`, taskdef.OtherVolume},
		{terraform, `{"name": "q", "host_path": null, "efs_volume_configuration": [], "docker_volume_configuration": []}`, taskdef.TaskVolume},
		{terraform, `{"name": "q", "host_path": "/data", "efs_volume_configuration": []}`, taskdef.HostVolume},
		{terraform, `{"name": "q", "host_path": "", "efs_volume_configuration": [{"file_system_id": "fs-1"}]}`, taskdef.EFSVolume},
		{terraform, `{"name": "q", "docker_volume_configuration": [{"scope": "shared"}]}`, taskdef.HostVolume},
		{template, `{"Name": "q"}`, taskdef.TaskVolume},
		{template, `{"Name": "q", "Host": {"SourcePath": "/data"}}`, taskdef.HostVolume},
		{template, `{"Name": "q", "EFSVolumeConfiguration": {"FilesystemId": {"Ref": "Files"}}}`, taskdef.EFSVolume},
		{template, `{"Name": "q", "DockerVolumeConfiguration": {"Scope": "task"}}`, taskdef.TaskVolume},
	} {
		list, _, err := taskdef.Read("task.json", []byte(strings.ReplaceAll(c.file, "VOLUME", c.volume)))
		if err != nil || len(list) != 1 {
			t.Errorf("%s: got %d task definitions, %v", c.volume, len(list), err)
			continue
		}
		if got := list[0].Volume("q").Kind; got != c.want {
			t.Errorf("%s: got the kind %d, want %d", c.volume, got, c.want)
		}
	}
}
