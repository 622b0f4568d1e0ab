package format

import (
	"fmt"
	"strconv"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A clock formats times in a zone.
type clock struct {
	zone   *time.Location
	format *field.Strftime
}

// newClock makes a clock of Fluentd's options. local is the default: local time, or UTC.
func newClock(format string, localtime, utc *bool, zone string, local bool) (clock, error) {
	if localtime != nil {
		local = *localtime
	}
	if utc != nil {
		local = !*utc
	}
	c := clock{zone: time.UTC}
	if local {
		c.zone = time.Local
	}
	var err error
	if c.format, err = field.ParseStrftime(format); err != nil {
		return c, &config.OptionError{Option: "time_format", Reason: err.Error()}
	}
	if zone == "" {
		return c, nil
	}
	if t, err := time.Parse("-07:00", zone); err == nil {
		c.zone = t.Location()
		return c, nil
	}
	if c.zone, err = time.LoadLocation(zone); err != nil {
		return c, &config.OptionError{Option: "timezone", Reason: fmt.Sprintf("%q is not a zone; want one such as +09:00 or Europe/Berlin", zone)}
	}
	return c, nil
}

func (c clock) append(dst []byte, t record.Time) []byte {
	return c.format.Append(dst, timeOf(t).In(c.zone))
}

func timeOf(t record.Time) time.Time { return time.Unix(int64(t.Sec), int64(t.Nsec)).UTC() }

// AppendSeconds appends t as decimal seconds with 0 to 9 digits of fraction, truncated.
func AppendSeconds(dst []byte, t record.Time, digits int) []byte {
	dst = strconv.AppendUint(dst, uint64(t.Sec), 10)
	if digits == 0 {
		return dst
	}
	n := len(dst) + 1
	dst = append(dst, '.')
	dst = append(dst, "000000000"...)
	for i, v := 8, t.Nsec; v > 0 && i >= 0; i, v = i-1, v/10 {
		dst[n+i] = byte('0' + v%10)
	}
	return dst[:n+digits]
}

// AppendJSONDate appends the value of Fluent Bit's json_date_key.
func AppendJSONDate(dst []byte, t record.Time, format string) []byte {
	switch format {
	case "iso8601":
		return timeOf(t).AppendFormat(dst, `"2006-01-02T15:04:05.000000Z"`)
	case "iso8601_ns":
		return timeOf(t).AppendFormat(dst, `"2006-01-02T15:04:05.000000000Z"`)
	case "java_sql_timestamp":
		return timeOf(t).AppendFormat(dst, `"2006-01-02 15:04:05.000000"`)
	case "epoch":
		return AppendSeconds(dst, t, 0)
	case "epoch_ms", "epoch_millis", "epoch_milliseconds":
		return strconv.AppendUint(dst, uint64(t.Sec)*1000+uint64(t.Nsec)/1e6, 10)
	}
	return AppendSeconds(dst, t, 6)
}

// appendTime appends Fluentd's injected time as MessagePack.
func (j *Injector) appendTime(dst []byte, r *sink.Record) []byte {
	nanos := int64(r.Time.Sec)*1e9 + int64(r.Time.Nsec)
	switch j.opts.TimeType {
	case "unixtime":
		return record.AppendInt(dst, int64(r.Time.Sec))
	case "unixtime_millis":
		return record.AppendInt(dst, nanos/1e6)
	case "unixtime_micros":
		return record.AppendInt(dst, nanos/1e3)
	case "unixtime_nanos":
		return record.AppendInt(dst, nanos)
	case "string":
		return record.AppendStrBytes(dst, j.clock.append(nil, r.Time))
	}
	return record.AppendFloat(dst, float64(nanos)/1e9)
}
