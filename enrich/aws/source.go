package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/record"
)

// Limits of the metadata service's replies.
const (
	maxReply = 16 << 10 // bytes of a reply
	maxTags  = 128      // tags of an instance; AWS allows 50
	// requestTime is how long one request may take, as in Fluent Bit. Without a route to the service there is never an answer.
	requestTime = time.Second
	tokenTTL    = "21600" // lifetime of a token in seconds: the longest that the service allows
)

// A source asks the metadata service.
type source struct {
	o      Options
	base   string
	client *fetch.Client
	log    zerolog.Logger
}

// A group is what is fetched together: the value of one field, or all tags.
type group struct {
	name   string
	wanted bool
	get    func(ctx context.Context, token string) (string, error)
}

// groups returns the groups that the filter adds, in Fluent Bit's order.
func (s *source) groups() []group {
	at := func(path string) func(context.Context, string) (string, error) {
		return func(ctx context.Context, token string) (string, error) { return s.text(ctx, token, path) }
	}
	o := &s.o
	id, account := at("meta-data/instance-id"), s.account
	return []group{
		{"az", o.Zone, at("meta-data/placement/availability-zone")},
		{"ec2_instance_id", o.InstanceID, id},
		{"ec2_instance_type", o.InstanceType, at("meta-data/instance-type")},
		{"private_ip", o.PrivateIP, at("meta-data/local-ipv4")},
		{"vpc_id", o.VPC, s.vpc},
		{"ami_id", o.AMI, at("meta-data/ami-id")},
		{"account_id", o.Account, account},
		{"hostname", o.Hostname, at("meta-data/hostname")},
		{"tags", o.Tags, nil},
		{"aws_entity_ec2_instance_id", o.Entity, id},
		{"aws_entity_account_id", o.Entity, account},
	}
}

// fetch asks for the groups that aren't known yet.
func (s *source) fetch(ctx context.Context, _ string, last state) (state, bool) {
	next := state{known: maps.Clone(last.known)}
	if next.known == nil {
		next.known = make(map[string][]enrich.Field)
	}
	token, err := s.token(ctx)
	var failed []string
	var fields []enrich.Field
	for _, g := range s.groups() {
		if !g.wanted {
			continue
		}
		if _, ok := next.known[g.name]; !ok && err == nil {
			var got []enrich.Field
			if got, err = s.fetchGroup(ctx, token, &g); err == nil {
				next.known[g.name] = got
			} else if fetch.StatusOf(err) != 0 { // the service works: go on with the next group
				s.log.Warn().Err(err).Str("field", g.name).Msg("the EC2 metadata service has no value for the field; it is asked again later")
				failed = append(failed, g.name)
				err = nil
			}
		}
		fields = append(fields, next.known[g.name]...)
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("the EC2 metadata service doesn't answer: records go on without its fields, and it is asked again later. " +
			"In a container, set the instance's http-put-response-hop-limit to 2; on Fargate there is no such service")
	}
	if len(fields) > 0 {
		next.set = enrich.NewFields(fields)
	}
	return next, err == nil && len(failed) == 0
}

func (s *source) fetchGroup(ctx context.Context, token string, g *group) ([]enrich.Field, error) {
	if g.get == nil {
		return s.tags(ctx, token)
	}
	value, err := g.get(ctx, token)
	return []enrich.Field{{Name: g.name, Value: record.AppendStr(nil, value)}}, err
}

// token asks for a token of protocol version 2. Version 1 has none: the token is empty.
func (s *source) token(ctx context.Context) (string, error) {
	if s.o.Version == "v1" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	b, err := s.client.Do(ctx, http.MethodPut, s.base+"/latest/api/token", maxReply, "X-aws-ec2-metadata-token-ttl-seconds", tokenTTL)
	if err != nil {
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	token := string(b)
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", errors.New("asking for a token: the reply isn't a token")
	}
	return token, nil
}

// text gets a document as text, without white space around it.
func (s *source) text(ctx context.Context, token, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var headers []string
	if token != "" {
		headers = []string{"X-aws-ec2-metadata-token", token}
	}
	b, err := s.client.Do(ctx, http.MethodGet, s.base+"/latest/"+path, maxReply, headers...)
	if fetch.StatusOf(err) == http.StatusUnauthorized && token == "" {
		return "", fmt.Errorf("%w: the service wants imds_version v2", err)
	}
	if err == nil && !utf8.Valid(b) {
		err = fmt.Errorf("%s: the reply isn't UTF-8 text", path)
	}
	return strings.TrimSpace(string(b)), err
}

func (s *source) vpc(ctx context.Context, token string) (string, error) {
	mac, err := s.text(ctx, token, "meta-data/mac")
	if err != nil {
		return "", err
	}
	return s.text(ctx, token, "meta-data/network/interfaces/macs/"+url.PathEscape(mac)+"/vpc-id")
}

func (s *source) account(ctx context.Context, token string) (string, error) {
	text, err := s.text(ctx, token, "dynamic/instance-identity/document")
	if err != nil {
		return "", err
	}
	var document struct{ AccountID string }
	if err := json.Unmarshal([]byte(text), &document); err != nil || document.AccountID == "" {
		return "", fmt.Errorf("the instance's identity document has no accountId (%v)", err)
	}
	return document.AccountID, nil
}

// tags gets the instance's tags. A reply with status 404 means no tags, and is logged.
func (s *source) tags(ctx context.Context, token string) ([]enrich.Field, error) {
	names, err := s.text(ctx, token, "meta-data/tags/instance")
	if fetch.StatusOf(err) == http.StatusNotFound {
		s.log.Warn().Msg("the EC2 metadata service has no tags: the instance has none, or doesn't allow them in its metadata; set instance-metadata-tags to enabled")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var fields []enrich.Field
	for name := range strings.Lines(names) {
		if name = strings.TrimSpace(name); name == "" || !s.o.wantsTag(name) || len(fields) >= maxTags {
			continue
		}
		value, err := s.text(ctx, token, "meta-data/tags/instance/"+url.PathEscape(name))
		if err != nil {
			return nil, err
		}
		fields = append(fields, enrich.Field{Name: name, Value: record.AppendStr(nil, value)})
	}
	return fields, nil
}
