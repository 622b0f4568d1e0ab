// Command emitter is the sample application of the end-to-end tests: it writes the lines of package lines to stdout and
// stderr at the same time, or only its argument if there is one, and then waits for SIGTERM, like a service.
//
// With the arguments "long NAME COUNT PAUSE" it writes COUNT long lines to both streams, with a pause after each. With "every PAUSE
// LINGER" it writes a numbered line after each pause, until LINGER after the SIGTERM, and then how many there were.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/firelane/firelane/e2e/lines"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	switch {
	case len(os.Args) == 5 && os.Args[1] == "long":
		onBoth(func(to *os.File, name string) { writeLong(to, name, os.Args[2:]) })
	case len(os.Args) == 4 && os.Args[1] == "every":
		writeEvery(os.Args[2], os.Args[3], stop)
		return
	case len(os.Args) > 1:
		fmt.Println(os.Args[1])
	default:
		onBoth(func(to *os.File, name string) {
			if name == "stdout" {
				write(to, lines.Stdout())
			} else {
				write(to, lines.Stderr())
			}
		})
	}
	<-stop
}

// onBoth writes to both streams at the same time.
func onBoth(write func(to *os.File, name string)) {
	var both sync.WaitGroup
	both.Go(func() { write(os.Stdout, "stdout") })
	both.Go(func() { write(os.Stderr, "stderr") })
	both.Wait()
}

func writeLong(to *os.File, stream string, args []string) {
	count, _ := strconv.Atoi(args[1])
	pause, _ := time.ParseDuration(args[2])
	for i := range count {
		to.Write(append(lines.Long(args[0], stream, i), '\n'))
		time.Sleep(pause)
	}
}

func writeEvery(pauseText, lingerText string, stop <-chan os.Signal) {
	pause, _ := time.ParseDuration(pauseText)
	linger, _ := time.ParseDuration(lingerText)
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	var end <-chan time.Time
	for n := 0; ; n++ {
		fmt.Printf("n=%d. a line\n", n)
		select {
		case <-ticks.C:
		case <-stop:
			end = time.After(linger)
		case <-end:
			fmt.Printf("n=%d. the last of %d lines\n", n+1, n+2)
			return
		}
	}
}

func write(to *os.File, lines [][]byte) {
	w := bufio.NewWriterSize(to, 8<<10)
	for _, line := range lines {
		w.Write(line)
		w.WriteByte('\n')
	}
	w.Flush()
}
