package retain

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink"
)

const (
	// firstPause and longestPause are the bounds of the wait after an attempt that failed.
	firstPause   = 2 * time.Second
	longestPause = 5 * time.Minute
	// firstTime is how long the first record of a data stream, or of an alias, waits for its template: otherwise it would make
	// an index of that name, which can't become one.
	firstTime = 5 * time.Second
)

// A Keeper installs templates and policies in the background. It ends when everything is installed or refused.
type Keeper struct {
	of    sink.Retainer
	log   zerolog.Logger
	end   context.CancelFunc
	first chan struct{} // closed after the first attempt
	done  chan struct{}
}

// Start starts a Keeper for a destination, until ctx ends; nil if the destination has nothing to install.
func Start(ctx context.Context, destination any, log zerolog.Logger) *Keeper {
	of, ok := destination.(sink.Retainer)
	if !ok || of.Retention() == nil {
		return nil
	}
	k := &Keeper{of: of, log: log, first: make(chan struct{}), done: make(chan struct{})}
	ctx, k.end = context.WithCancel(ctx)
	go func() {
		defer close(k.done)
		k.run(ctx)
	}()
	return k
}

// Close ends the Keeper, and waits for it.
func (k *Keeper) Close() {
	if k != nil {
		k.end()
		<-k.done
	}
}

// AwaitFirst waits for the first attempt if the first record must not come before it, but not for long.
func (k *Keeper) AwaitFirst(ctx context.Context) {
	if k == nil || !mustBeFirst(k.of.Retention()) {
		return
	}
	atMost := time.NewTimer(firstTime)
	defer atMost.Stop()
	select {
	case <-k.first:
	case <-ctx.Done():
	case <-atMost.C:
		k.log.Warn().Msg("the template isn't installed yet, and delivery begins without it: the first record may make an index where a data stream or an alias is wanted")
	}
}

// mustBeFirst reports whether a record that comes before the template does harm that the template can't repair.
func mustBeFirst(w *sink.Retention) bool { return w.Alias != nil || w.Own != nil && w.Own.DataStream }

// run tries until everything is done or refused.
func (k *Keeper) run(ctx context.Context) {
	pause := firstPause
	told := map[string]bool{}
	installed := false // in the cluster
	for attempt := 0; ; attempt++ {
		var err error
		if !installed {
			err = k.install(ctx, attempt == 0, told)
			installed = err == nil
		}
		if attempt == 0 {
			close(k.first)
		}
		if installed {
			err = k.addPattern(ctx, told)
		}
		if ctx.Err() != nil || err == nil {
			return
		}
		wait := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		pause = min(2*pause, longestPause)
	}
}

// install is one attempt to bring the cluster to the wanted state.
func (k *Keeper) install(ctx context.Context, first bool, told map[string]bool) error {
	results, err := applyCluster(ctx, k.of, time.Now(), false)
	k.tell(results, told)
	switch {
	case ctx.Err() != nil:
	case err == nil && !first && len(told) == 0:
		k.log.Info().Msg("the index template and policy are there now")
	case err != nil && first:
		k.log.Warn().Err(err).Msg("the index template and policy can't be installed yet; records are delivered without them, and it is tried again until it succeeds")
	}
	return err
}

// addPattern is one attempt to add the index pattern to Dashboards.
func (k *Keeper) addPattern(ctx context.Context, told map[string]bool) error {
	results, err := applyDashboards(ctx, k.of, false)
	if err == nil {
		k.tell(results, told)
	} else if ctx.Err() == nil && !told["away"] {
		told["away"] = true
		k.log.Warn().Err(err).Msg("the index pattern can't be added to Dashboards yet; it is tried again until it succeeds")
	}
	return err
}

// tell logs what was done, and once what was not.
func (k *Keeper) tell(results []Result, told map[string]bool) {
	var permissions, whats []string
	var detail string
	for i := range results {
		r := &results[i]
		switch r.Outcome {
		case Created, Updated:
			k.log.Info().Msg(r.Line(false))
		case Denied:
			whats, permissions = append(whats, r.What), append(permissions, r.Permission)
			detail = r.Detail
		case Kept, Unavailable, Refused:
			if line := r.Line(false); !told[line] {
				told[line] = true
				k.log.Warn().Msg(line)
			}
		}
	}
	if denied := "denied " + strings.Join(whats, ", "); len(whats) > 0 && !told[denied] {
		told[denied] = true
		k.log.Warn().AnErr("error", errors.New(detail)).Msgf("no permission for: %s; the user needs the permission %s; or set firelane_bootstrap Off and install them with the cluster",
			strings.Join(whats, ", "), strings.Join(permissions, "; "))
	}
}
