package forward

import "github.com/firelane/firelane/config"

// TagOf returns the tag that an event gets which a client sends with tag.
func (o *Options) TagOf(d config.Dialect, tag string) string {
	r := o.rules(d)
	return string(r.retag(nil, []byte(tag)))
}

// TagOf returns the tag that an event gets which a client sends with tag.
func (o *UnixOptions) TagOf(_ config.Dialect, tag string) string {
	if o.Tag != "" {
		return o.Tag
	}
	return tag
}
