package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Watch knows whether the brokers can be reached: a client retries by itself, without reporting why. It is a hook of the
// client, safe for concurrent use.
type Watch struct {
	log     zerolog.Logger
	refresh func() // fetches new credentials; nil: there are none to be fetched

	logs   bool
	mu     sync.Mutex
	err    error     // why the last connection could not be made; nil if it could
	failed time.Time // when connections began to fail
}

// LogFailures makes the Watch log each failure, for a client whose owner doesn't call Unreachable.
func (w *Watch) LogFailures() { w.logs = true }

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (w *Watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, kerr.SaslAuthenticationFailed) && w.refresh != nil {
		w.refresh()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.err = nil
	case w.err == nil:
		w.failed = time.Now()
		fallthrough
	default:
		w.err = fmt.Errorf("connecting to %s: %w", net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port)), err)
		if w.logs && !errors.Is(err, context.Canceled) {
			w.log.Warn().Err(w.err).Msg("a broker can't be reached: trying again")
		}
	}
}

// Unreachable returns why no broker can be reached, and since when; nil if the last connection could be made, or none has been
// needed.
func (w *Watch) Unreachable() (since time.Time, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed, w.err
}

// Unauthorised reports whether an error means that the credentials were refused, or lack a permission.
func Unauthorised(err error) bool {
	for _, e := range []error{
		kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism,
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// A logger writes what the client logs. Its warnings are about what it retries; they are for debugging.
type logger struct{ log zerolog.Logger }

func (l logger) Level() kgo.LogLevel {
	if l.log.GetLevel() <= zerolog.DebugLevel {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelError
}

func (l logger) Log(level kgo.LogLevel, msg string, pairs ...any) {
	ev := l.log.Debug()
	if level == kgo.LogLevelError {
		ev = l.log.Warn()
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		if err, ok := pairs[i+1].(error); ok {
			ev = ev.AnErr(key, err)
			continue
		}
		ev = ev.Str(key, fmt.Sprint(pairs[i+1]))
	}
	ev.Msg("Kafka's client: " + msg)
}
