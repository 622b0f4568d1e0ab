package syslog

import (
	"bytes"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// facility is the name of a message's facility, as Fluentd's tags have it; "" for an unknown one.
func facility(pri int) string {
	names := [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "at",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	if n := pri >> 3; n < len(names) {
		return names[n]
	}
	return ""
}

// severity is the name of a message's severity.
func severity(pri int) string {
	return [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}[pri&7]
}

// priority reads the <priority> that a message begins with.
func priority(msg []byte) (pri int, rest []byte, ok bool) {
	if len(msg) == 0 || msg[0] != '<' {
		return 0, nil, false
	}
	i := 1
	for i < len(msg) && i < 4 && msg[i]-'0' < 10 {
		pri = pri*10 + int(msg[i]-'0')
		i++
	}
	if i == 1 || i == len(msg) || msg[i] != '>' {
		return 0, nil, false
	}
	return pri, msg[i+1:], true
}

// takeFluentd is take in Fluentd's dialect: the priority becomes a part of the tag.
func (m *taker) takeFluentd(recv input.Receiver, msg []byte) {
	pri, text, ok := priority(msg)
	if !ok {
		m.unmatched(recv, msg, noPriority)
		return
	}
	if m.whole {
		text = msg
	}
	at := now()
	body, ok := m.parser.Parse(m.body[:0], text, &at)
	if ok && m.whole {
		body = m.withoutPri(body)
	}
	if ok {
		body = m.with(body, m.opts.SeverityKey, []byte(severity(pri)))
		body = m.with(body, m.opts.FacilityKey, []byte(facility(pri)))
		body = m.with(body, m.opts.AddressKey, []byte(m.address))
		body = m.with(body, m.opts.HostnameKey, []byte(m.address))
	}
	m.keep(body)
	if !ok || !valid(body) {
		m.unmatched(recv, msg, unparsed)
		return
	}
	m.tagged = append(append(append(append(append(m.tagged[:0], m.tag...), '.'), facility(pri)...), '.'), severity(pri)...)
	recv.Add(m.tagged, at, body)
}

// withoutPri removes the field pri, which the parser has put first.
func (m *taker) withoutPri(body []byte) []byte {
	n, _, err := record.MapHeader(body)
	f := record.FieldsOf(body)
	if err != nil || n == 0 || !f.Next() || string(f.Key()) != "pri" {
		return body
	}
	b := append(record.AppendMapHeader(m.more[:0], n-1), f.Rest()...)
	if m.more = body; cap(body) > maxKept {
		m.more = nil
	}
	return b
}

// chomp cuts off the end of a line, as Fluentd does at the end of a datagram.
func chomp(msg []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(msg, []byte("\n")), []byte("\r"))
}

// unmatched makes a record of a message that can't be parsed, or rejects it.
func (m *taker) unmatched(recv input.Receiver, msg []byte, reason string) {
	if !m.opts.Unmatched {
		m.reject(recv, reason, msg)
		return
	}
	body := record.AppendStr(record.AppendMapHeader(m.body[:0], 1), "unmatched_line")
	body = record.AppendStrBytes(body, msg)
	body = m.with(body, m.opts.AddressKey, []byte(m.address))
	body = m.with(body, m.opts.HostnameKey, []byte(m.address))
	m.keep(body)
	m.tagged = append(append(m.tagged[:0], m.tag...), ".unmatched"...)
	recv.Add(m.tagged, now(), body)
}
