// Package systemd is the input that reads the journal of systemd: the files that journald writes, as they grow and are rotated. It
// needs neither libsystemd nor journalctl.
//
// How far a file was read is how many of its entries are in the queue. That is saved as soon as they are, under the identity that
// journald has given the file: a kill loses no entry. Only a kill between the two has entries come again, with the same ids.
package systemd

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// Options are those of Fluent Bit's input systemd, and of Fluentd's from fluent-plugin-systemd.
type Options struct {
	Path       string           `fluentbit:"path" fluentd:"path" default.fluentd:"/var/log/journal" help:"folder of journal files, and of folders named by a machine's id; unless written, /var/log/journal and /run/log/journal"`
	Tag        string           `fluentbit:"tag" fluentd:"tag" help:"tag of every event; * stands for the name of the entry's unit, unknown where it has none; unless written, the name of the input"`
	Filters    []config.Ordered `fluentbit:"systemd_filter" help:"FIELD=VALUE that an entry must have; may be repeated"`
	FilterType string           `fluentbit:"systemd_filter_type" oneof:"or,and" default:"or" help:"whether an entry must have one of systemd_filter, or all"`
	MaxFields  int              `fluentbit:"max_fields" default:"8000" help:"fields of a record; those beyond it are left out"`
	MaxEntries int              `fluentbit:"max_entries" default:"5000" help:"entries that are read before they are queued"`
	FromTail   bool             `fluentbit:"read_from_tail" default:"false" help:"leave out what the journal has at the first start"`
	Lowercase  bool             `fluentbit:"lowercase" default:"false" help:"names of fields in lower case"`
	Strip      bool             `fluentbit:"strip_underscores" default:"false" help:"leave out the underscore that a field's name begins with"`
	DB         string           `fluentbit:"db" help:"file in which it is kept how far the journal was read; unless written, one beside the queue. One of Fluent Bit is left alone, and .firelane added to the name"`
	DBSync     string           `fluentbit:"db.sync" help:"accepted"`

	Matches  string   `fluentd:"matches" help:"entries that are taken: a JSON array of objects; all members of one of them must match, and a member may be an array of values"`
	Old      string   `fluentd:"filters" help:"old name of matches"`
	FromHead bool     `fluentd:"read_from_head" default:"false" help:"also read what the journal has at the first start"`
	OldStrip bool     `fluentd:"strip_underscores" default:"false" help:"as fields_strip_underscores in <entry>"`
	Storage  *Storage `fluentd:"<storage>" help:"where it is kept how far the journal was read"`
	Entry    *Entry   `fluentd:"<entry>" help:"names of fields"`
	PosFile  string   `fluentd:"pos_file" ignored:"use <storage>" help:"accepted, without effect"`

	input.CommonOptions
}

// Storage is a section <storage>.
type Storage struct {
	Type       string `fluentd:"@type" oneof:"local" default:"local" help:"where it is kept"`
	Path       string `fluentd:"path" help:"the file; unless written, one beside the queue. One of Fluentd is left alone, and .firelane added to the name"`
	Persistent bool   `fluentd:"persistent" default:"true" help:"accepted; it is always kept"`
	Mode       string `fluentd:"mode,dir_mode,pretty_print" help:"accepted"`
}

// Entry is a section <entry>.
type Entry struct {
	Map       string `fluentd:"field_map" help:"a JSON object: the name of each field in the record, or an array of names. Values of fields with the same name are joined with a blank"`
	MapStrict bool   `fluentd:"field_map_strict" default:"false" help:"leave out the fields that field_map doesn't have"`
	Strip     bool   `fluentd:"fields_strip_underscores" default:"false" help:"leave out the underscores that names of other fields begin with"`
	Lowercase bool   `fluentd:"fields_lowercase" default:"false" help:"names of other fields in lower case"`
}

// maxFilters is how many conditions the options may have.
const maxFilters = 1000

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	switch {
	case d == config.Fluentd && o.Tag == "":
		return &config.OptionError{Option: "tag", Reason: "is missing; want, for example, journal"}
	case d == config.FluentBit && o.MaxFields <= 0:
		return &config.OptionError{Option: "max_fields", Reason: "must be more than 0; want, for example, 8000"}
	case d == config.FluentBit && o.MaxEntries <= 0:
		return &config.OptionError{Option: "max_entries", Reason: "must be more than 0; want, for example, 5000"}
	}
	if _, err := newNaming(o, d); err != nil {
		return err
	}
	_, err := newFilter(o, d)
	return err
}

// condition checks a FIELD=VALUE, as journald's own library does.
func condition(text string) error {
	name, _, ok := strings.Cut(text, "=")
	valid := ok && name != "" && !strings.HasPrefix(name, "__") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
	if !valid {
		return fmt.Errorf("%q is not a condition; want FIELD=VALUE, such as _SYSTEMD_UNIT=docker.service, with the field's name in upper case", text)
	}
	return nil
}

// db is the file for positions that the options name, "" if they don't.
func (o *Options) db() string {
	if o.Storage != nil {
		return o.Storage.Path
	}
	return o.DB
}
