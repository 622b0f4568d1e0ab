// Package tail is the input that reads the lines of files as they grow, across rotations and restarts.
//
// Files are known by device and inode, and by a fingerprint of their first bytes, since inodes are used again. An offset is
// saved as soon as the lines before it are in the queue, so that a kill loses no line; only a kill between the two duplicates the
// last lines.
package tail

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
)

// Options are those of Fluent Bit's and of Fluentd's tail.
type Options struct {
	Path        []string      `fluentbit:"path" fluentd:"path" required:"true" help:"files, separated by commas; * and ? match within names, but not a dot at a name's beginning"`
	Exclude     []string      `fluentbit:"exclude_path" fluentd:"exclude_path" help:"files that are left out, in the same notation; a pattern without a folder is for the file's name. In Fluent Bit, * matches slashes, too"`
	Tag         string        `fluentbit:"tag" fluentd:"tag" help:"tag of the records; * stands for the path, with dots for slashes; <name> for a group of tag_regex; default in Fluent Bit: the input's name"`
	TagRegex    string        `fluentbit:"tag_regex" help:"pattern for the path, whose named groups the tag may have as <name>; then a file whose path doesn't match isn't read"`
	PathKey     string        `fluentbit:"path_key" fluentd:"path_key" help:"field that gets the file's path"`
	OffsetKey   string        `fluentbit:"offset_key" help:"field that gets the line's offset in the file"`
	Key         string        `fluentbit:"key" default:"log" help:"field that gets the line, where no parser reads it"`
	FromHead    bool          `fluentbit:"read_from_head" fluentd:"read_from_head" default:"false" help:"read files without a saved offset, which exist at the start, from their beginning; others always are"`
	Refresh     time.Duration `fluentbit:"refresh_interval" fluentd:"refresh_interval" default:"60s" help:"interval of the search for new files; in watched folders they are seen at once"`
	RotateWait  time.Duration `fluentbit:"rotate_wait" fluentd:"rotate_wait" default:"5s" strict:"zero" help:"how long a file that was renamed or deleted is read after its last line"`
	IgnoreOlder time.Duration `fluentbit:"ignore_older" fluentd:"limit_recently_modified" default:"0s" help:"leave out files that have not changed for this long, until they do; in Fluent Bit, what they had before that stays left out; 0: leave none out"`
	SkipLong    bool          `fluentbit:"skip_long_lines" default:"false" help:"leave lines out that are longer than buffer_max_size, and count them; otherwise they become several records"`
	SkipEmpty   bool          `fluentbit:"skip_empty_lines" default:"false" help:"leave empty lines out"`
	MaxLine     config.Size   `fluentbit:"buffer_max_size" fluentd:"max_line_size" default.fluentbit:"32k" help:"longest line; in Fluentd longer ones are left out"`
	DB          string        `fluentbit:"db" fluentd:"pos_file" help:"file in which offsets are kept; default: a file beside the queue. One of Fluent Bit or Fluentd is left alone, and .firelane added to the name; offsets in Fluentd's are taken over"`
	Inotify     bool          `fluentbit:"inotify_watcher" fluentd:"enable_stat_watcher" default:"true" help:"watch folders; off: look at each file four times a second"`
	ExitOnEOF   bool          `fluentbit:"exit_on_eof" default:"false" help:"end the input at the end of all files; the router goes on"`
	Parser      string        `fluentbit:"parser" unknown:"left out" help:"[PARSER] that makes fields of a line; one that it can't read is a text"`
	Multiline   []string      `fluentbit:"multiline.parser" help:"which lines belong together, as in the filter multiline; Parser isn't used then"`
	Joined      bool          `fluentbit:"multiline" default:"false" help:"a line that parser_firstline can read begins a record; others are added to its last text"`
	FirstLine   string        `fluentbit:"parser_firstline" help:"[PARSER] of the first line"`
	JoinFlush   time.Duration `fluentbit:"multiline_flush" default:"4s" help:"how long lines of multiline on wait for their next one"`
	Parse       *parse.Spec   `fluentd:"<parse>" help:"how lines are read"`

	FluentdFlush time.Duration `fluentd:"multiline_flush_interval" default:"5s" help:"how long a text of the format multiline waits for its next line; in Fluentd it waits without end"`
	Unmatched    bool          `fluentd:"emit_unmatched_lines" default:"false" help:"a line that can't be read becomes a record with unmatched_line; otherwise it is counted as rejected"`

	Accepted
	NotHere
	input.CommonOptions
}

// Accepted are options without effect: they configure what is done in another way here.
type Accepted struct {
	ChunkSize     config.Size `fluentbit:"buffer_chunk_size" strict:"true" help:"accepted; 128 KiB are read at once"`
	BatchSize     config.Size `fluentbit:"static_batch_size,event_batch_size" help:"accepted; 128 KiB are read at once"`
	DBSync        string      `fluentbit:"db.sync,db.locking,db.journal_mode,db.compare_filename" help:"accepted"`
	Watchers      string      `fluentbit:"watcher_interval,progress_check_interval,progress_check_interval_nsec,file_cache_advise,read_newly_discovered_files_from_head,ignore_active_older_files" help:"accepted"`
	FluentdTimers string      `fluentd:"enable_watch_timer,open_on_every_update,skip_refresh_on_startup,ignore_repeated_permission_error,pos_file_compaction_interval,read_lines_limit,read_bytes_limit_per_second,follow_inodes,max_number_of_processing" help:"accepted; files are followed by their inodes in any case"`
	Encoding      string      `fluentd:"encoding,from_encoding" help:"accepted; text is UTF-8"`
}

// NotHere are options without effect that would change which records are made; they are warned about.
type NotHere struct {
	DockerMode  string `fluentbit:"docker_mode,docker_mode_flush,docker_mode_parser" ignored:"use multiline.parser docker" help:"accepted, without effect"`
	MoreParsers string `fluentbit:"parser_1,parser_2,parser_3" ignored:"use a filter parser on the joined record" help:"accepted, without effect"`
	Truncate    string `fluentbit:"truncate_long_lines" ignored:"a line that is longer than buffer_max_size becomes several records" help:"accepted, without effect"`
}

// maxPatterns is how many patterns path and exclude_path may have.
const maxPatterns = 1000

// Check implements config's check after binding.
func (o *Options) Check(d config.Dialect) error {
	if len(o.Path)+len(o.Exclude) > maxPatterns {
		return &config.OptionError{Option: "path", Reason: fmt.Sprintf("and exclude_path have more than %d patterns", maxPatterns)}
	}
	for name, list := range map[string][]string{"path": o.Path, "exclude_path": o.Exclude} {
		for _, p := range list {
			if _, err := filepath.Match(p, ""); err != nil || p == "" {
				return &config.OptionError{Option: name, Reason: fmt.Sprintf("%q is not a pattern for file names; want, for example, /var/log/app/*.log", p)}
			}
		}
	}
	switch {
	case o.MaxLine < 0 && o.MaxLine != config.Unlimited || o.RotateWait < 0 || o.IgnoreOlder < 0:
		return fmt.Errorf("sizes and times must not be negative")
	case o.Refresh <= 0:
		return &config.OptionError{Option: "refresh_interval", Reason: "must be more than 0; want, for example, 60"}
	case o.RotateWait == 0 && d == config.FluentBit:
		return &config.OptionError{Option: "rotate_wait", Reason: "must be more than 0; want, for example, 5"}
	case o.Joined && len(o.Multiline) > 0:
		return &config.OptionError{Option: "multiline", Reason: "excludes multiline.parser, which is used; write one of them", Instead: config.NotWritten}
	case o.Joined && o.FirstLine == "":
		return &config.OptionError{Option: "parser_firstline", Reason: "is missing; want the name of a [PARSER], or multiline.parser in place of multiline"}
	case o.JoinFlush < 0:
		return &config.OptionError{Option: "multiline_flush", Reason: "must not be negative"}
	case d == config.Fluentd && o.Tag == "":
		return &config.OptionError{Option: "tag", Reason: "is missing; want, for example, app.*"}
	case d == config.Fluentd && o.Parse == nil:
		return parse.ErrNoSpec
	}
	return nil
}

// strftime matches a part of a time in a path of Fluentd.
var strftime = regexp.MustCompile(`%[a-zA-Z]`)

// Warnings implements config's warnings after binding.
func (o *Options) Warnings() (list []string) {
	if _, err := newTagger(o, config.FluentBit, ""); err != nil {
		list = append(list, "tag_regex "+err.Error()+": it has no effect, as in Fluent Bit, and <name> stays in the tag")
	}
	if o.Parser != "" && (len(o.Multiline) > 0 || o.Joined) {
		list = append(list, "parser isn't used where lines are joined; use a filter parser")
	}
	if o.Parse != nil && o.Parse.Type == "multiline" && o.Parse.FirstLine == "" {
		list = append(list, "parse: without format_firstline each line is a text of its own")
	}
	if o.Parse != nil { // Fluentd
		for _, p := range o.Path {
			if strings.Contains(p, "**") || strftime.MatchString(p) {
				list = append(list, fmt.Sprintf("path %s: ** is the same as * here, and the letters of strftime, as in %%Y, stand for themselves", p))
			}
		}
	}
	if o.MaxLine > maxLine {
		list = append(list, fmt.Sprintf("buffer_max_size is limited to %d MiB", maxLine>>20))
	}
	return list
}
