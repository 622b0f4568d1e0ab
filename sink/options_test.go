package sink

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
)

func TestRetryLimitIsReadAsFluentBitDoes(t *testing.T) {
	for text, want := range map[string]int{"": Unlimited, "no_limits": Unlimited, "False": Unlimited, "off": Unlimited, "no_retries": 0, "5": 5, "0": Unlimited, "-1": Unlimited} {
		o := OutputOptions{RetryLimit: text}
		if err := o.CheckOutput(config.FluentBit); err != nil || o.Retry().Limit != want {
			t.Errorf("%q: got %d, %v; want %d", text, o.Retry().Limit, err, want)
		}
	}
	for _, text := range []string{"many", "1.5"} {
		var bad *config.OptionError
		if err := (&OutputOptions{RetryLimit: text}).CheckOutput(config.FluentBit); !errors.As(err, &bad) || bad.Option != "retry_limit" {
			t.Errorf("%q: got error %v, want one that names retry_limit", text, err)
		}
	}
}

func TestBufferOptionsHoldInBothSpellings(t *testing.T) {
	five, second, minute := 5, time.Second, time.Minute
	for name, o := range map[string]OutputOptions{
		"new": {Buffer: &BufferOptions{Type: "memory", ChunkLimitSize: 2 << 20, FlushThreadCount: 3, FlushInterval: &second,
			RetryMaxTimes: &five, RetryWait: &second, RetryMaxInterval: &minute, TotalLimitSize: 1 << 30, OverflowAction: "drop_oldest_chunk"}},
		"old": {OldBuffer: OldBuffer{OldType: "memory", OldChunkLimit: 2 << 20, OldThreads: 3, OldFlushInterval: &second,
			OldRetryLimit: &five, OldRetryWait: &second, OldMaxRetryWait: &minute, OldFull: "drop_oldest_chunk"},
			Buffer: &BufferOptions{TotalLimitSize: 1 << 30}},
	} {
		if err := o.CheckOutput(config.Fluentd); err != nil {
			t.Errorf("%s: got %v, want no error", name, err)
		}
		if got, want := o.Limits(Limits{MaxItems: 7}), (Limits{MaxBytes: 2 << 20, MaxItems: 7, Linger: second, Workers: 3}); got != want {
			t.Errorf("%s: got the limits %+v, want %+v", name, got, want)
		}
		if got, want := o.Retry(), (Retry{Limit: 5, Base: second, Cap: minute, Factor: 2}); got != want {
			t.Errorf("%s: got the retry %+v, want %+v", name, got, want)
		}
		if got, want := o.Queue(), (QueueOptions{Memory: true, TotalLimit: 1 << 30, WhenFull: DropOldest}); got != want {
			t.Errorf("%s: got the queue %+v, want %+v", name, got, want)
		}
	}
}

func TestSettingsWithoutMeaningAreSaid(t *testing.T) {
	hour := time.Hour
	o := OutputOptions{
		Buffer:    &BufferOptions{RetryTimeout: &hour, QueueLimitLength: 8, Compress: "gzip", Timekey: "1d", OverflowAction: "throw_exception", TotalLimitSize: 1},
		Secondary: []config.Pair{{Key: "@type", Value: "secondary_file"}},
	}
	if w := o.Warnings(); len(w) != 6 {
		t.Errorf("got %d warnings, want 6: %s", len(w), strings.Join(w, "\n"))
	}
	if w := (&OutputOptions{RetryLimit: "0"}).Warnings(); len(w) != 1 {
		t.Errorf("got the warnings %q about retry_limit 0, want one", w)
	}
	if w := new(OutputOptions).Warnings(); len(w) != 0 {
		t.Errorf("got the warnings %q about nothing, want none", w)
	}
}

func TestWaitsGrowToTheCapAndAreSpread(t *testing.T) {
	r := Retry{Base: time.Second, Cap: 30 * time.Second, Factor: 2}
	for n, ceiling := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 4: 16 * time.Second, 5: 30 * time.Second, 10_000: 30 * time.Second} {
		var sum time.Duration
		for range 1000 {
			w := r.Wait(n)
			if w < 0 || w > ceiling {
				t.Fatalf("retry %d: got a wait of %v, want at most %v", n, w, ceiling)
			}
			sum += w
		}
		if mean := sum / 1000; mean < ceiling*2/5 || mean > ceiling*3/5 {
			t.Errorf("retry %d: got %v on average, want about %v", n, mean, ceiling/2)
		}
	}
}

func TestMistakesInOptionsNameTheOption(t *testing.T) {
	minus := -1
	for want, err := range map[string]error{
		"retry_max_times":    (&OutputOptions{Buffer: &BufferOptions{RetryMaxTimes: &minus}}).CheckOutput(config.Fluentd),
		"flush_thread_count": (&OutputOptions{Buffer: &BufferOptions{FlushThreadCount: -1}}).CheckOutput(config.Fluentd),
	} {
		var bad *config.OptionError
		if !errors.As(err, &bad) || bad.Option != want || bad.Reason == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestWhatAFullQueueDoesIsChosenInEitherDialect(t *testing.T) {
	for name, tt := range map[string]struct {
		o    OutputOptions
		want string
	}{
		"nothing set":                       {OutputOptions{}, Yield},
		"Fluent Bit's limit":                {OutputOptions{TotalLimitSize: 1 << 20}, DropOldest},
		"no limit, as Fluent Bit writes it": {OutputOptions{TotalLimitSize: config.Unlimited}, Yield},
		"when_full beside a limit":          {OutputOptions{TotalLimitSize: 1 << 20, WhenFull: Block}, Block},
		"Fluentd's limit":                   {OutputOptions{Buffer: &BufferOptions{TotalLimitSize: 1 << 20}}, Yield},
		"Fluentd's default":                 {OutputOptions{Buffer: &BufferOptions{OverflowAction: "throw_exception"}}, Yield},
		"Fluentd's block":                   {OutputOptions{Buffer: &BufferOptions{OverflowAction: "block"}}, Block},
		"Fluentd's drop_oldest_chunk":       {OutputOptions{Buffer: &BufferOptions{OverflowAction: "drop_oldest_chunk"}}, DropOldest},
		"Fluentd's old spelling":            {OutputOptions{OldBuffer: OldBuffer{OldFull: "exception"}}, Yield},
	} {
		if got := tt.o.Queue().WhenFull; got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}
