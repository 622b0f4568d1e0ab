package config

import "testing"

func TestAValueIsReadAsFluentBitReadsIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		read func(string) string
		from string
		want string
	}{
		{"number", readNumber, "12.5x", "12.5"},
		{"number", readNumber, "1.2.3", "1.2"},
		{"number", readNumber, "\t-3 a", "-3"},
		{"number", readNumber, "-", "0"},
		{"number", readNumber, "x1", "0"},
		{"whole number", readWhole, "+7.9", "7"},
		{"whole number", readWhole, ".5", "0"},
		{"time", readSeconds, "10x", "10"},
		{"time", readSeconds, "5 s", "5"},
		{"time", readSeconds, "2 M", "120"},
		{"time", readSeconds, "1.5 h", "3600"},
		{"time", readSeconds, "1 d", "86400"},
		{"time", readSeconds, "-5", "0"},
		{"time", readSeconds, "ten", "0"},
		{"size", readSize, "10 M", "false"},
		{"size", readSize, "10Q", "false"},
		{"size", readSize, "-1", "false"},
		{"size", readSize, "10x5", "10"},
	} {
		if got := tt.read(tt.from); got != tt.want {
			t.Errorf("the %s in %q is %q; want %q", tt.name, tt.from, got, tt.want)
		}
	}
}
