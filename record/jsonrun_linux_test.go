package record

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// guarded is n bytes of memory with a page before them and one after them that can't be touched. The bytes stand
// against the page after, or against the one before.
func guarded(t testing.TB, n int, behind bool) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		t.Cleanup(func() { _ = syscall.Munmap(all) })
		err = syscall.Mprotect(all[:page], syscall.PROT_NONE)
	}
	if err == nil {
		err = syscall.Mprotect(all[page+size:], syscall.PROT_NONE)
	}
	if err != nil {
		t.Fatal(err)
	}
	if behind {
		return all[page+size-n : page+size : page+size]
	}
	return all[page : page+n : page+n]
}

// membersOneByOne is what AppendJSONMembers writes, put together from its members' keys and values.
func membersOneByOne(body []byte, opt *JSONOptions) []byte {
	n, b, _ := MapHeader(body)
	var keys, members []string
	for ; n > 0 && len(b) > 0; n-- {
		key, rest := appendKey(nil, b, opt.ReplaceDots)
		if len(key) == 0 {
			break
		}
		member, rest := appendValue(key, rest, opt.ReplaceDots, 1)
		b = rest
		name := string(member[:len(key)])
		if i := slices.Index(keys, name); i >= 0 {
			keys, members = slices.Delete(keys, i, i+1), slices.Delete(members, i, i+1)
		}
		keys, members = append(keys, name), append(members, string(member[:len(member)-1]))
	}
	for _, o := range opt.Omit {
		if i := slices.Index(keys, string(AppendJSONString(nil, []byte(o)))+":"); i >= 0 {
			keys, members = slices.Delete(keys, i, i+1), slices.Delete(members, i, i+1)
		}
	}
	return []byte(strings.Join(members, ","))
}

// TestStringsOfEveryLength holds what is written of each length of key and value, with each sort of byte at each place of
// the value, and that nothing is read or written outside of what is passed in.
func TestStringsOfEveryLength(t *testing.T) {
	const longest = 130
	memory, out := guarded(t, 8192, true), guarded(t, 8192, true)
	check := func(body []byte) {
		in := memory[len(memory)-len(body):]
		copy(in, body)
		dots := &JSONOptions{ReplaceDots: true}
		if got, want := AppendJSONMembers(nil, in, dots), membersOneByOne(body, dots); !bytes.Equal(got, want) {
			t.Fatalf("%x\ngot  %s\nwant %s", body, got, want)
		}
		want := membersOneByOne(body, &JSONOptions{})
		for _, room := range []int{0, len(want), len(want) + 40, len(want) + 3*runRoom} {
			if got := AppendJSONMembers(out[len(out)-room:len(out)-room], in, nil); !bytes.Equal(got, want) {
				t.Fatalf("%x\ngot  %s\nwant %s", body, got, want)
			}
		}
	}
	for n := range longest + 1 {
		for _, c := range []byte("x \x7f\"\\\n\x01\x1f\x80\xff") {
			for at := range max(n, 1) {
				value := bytes.Repeat([]byte{'v'}, n)
				if n > 0 {
					value[at] = c
				}
				check(AppendStrBytes(AppendStr([]byte{0x81}, "k"), value))
				if at&7 == 0 {
					check(AppendStr(AppendStr(AppendStrBytes(AppendStr([]byte{0x82}, "k"), value), "next"), strings.Repeat("w", 40)))
				}
				if c == 'x' {
					break
				}
			}
		}
	}
	for n := range 40 {
		for _, c := range []byte("x.\"\\\n\x80") {
			for at := range max(n, 1) {
				key := bytes.Repeat([]byte{'k'}, n)
				if n > 0 {
					key[at] = c
				}
				check(AppendStr(AppendStrBytes([]byte{0x81}, key), "v"))
				check(AppendStr(AppendStr(AppendStr(AppendStrBytes([]byte{0x82}, key), "v"), "next"), strings.Repeat("w", 40)))
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 { // many to escape, few, other text between, and several members
		body := AppendMapHeader(nil, 3)
		for i := range 3 {
			value := make([]byte, random.IntN(200))
			alphabet := "\"\\\n\tabc\x80\x01"[:[]int{2, 4, 7, 7, 9}[random.IntN(5)]] + strings.Repeat("z", random.IntN(60))
			for i := range value {
				value[i] = alphabet[random.IntN(len(alphabet))]
			}
			body = AppendStrBytes(AppendStr(body, "key"[i:]), value)
		}
		check(body)
	}
	for _, n := range []int{255, 256, 1000, 3500} {
		check(AppendStr(AppendStr([]byte{0x81}, "k"), strings.Repeat("v", n)))
		check(AppendStr(AppendStr([]byte{0x81}, "k"), strings.Repeat(`"`, n/4)+strings.Repeat("v", n/4)))
	}
}

func TestNothingIsWrittenWhereThereIsNoRoom(t *testing.T) {
	out := guarded(t, 4096, true)
	quotes := AppendStr(AppendStr(AppendStr(AppendStr([]byte{0x82}, "k"), strings.Repeat(`"`, 70)), "next"), strings.Repeat(`w"`, 70))
	for _, body := range [][]byte{typicalEvent(), jsonLogEvent(), quotes} {
		n, in, _ := MapHeader(body)
		want := membersOneByOne(body, &JSONOptions{})
		for room := range 2*len(want) + runRoom {
			r := memberRun{n: n, stop: '"'}
			got, rest := appendStrings(out[len(out)-room:len(out)-room], in, &r)
			if whole := append(want[:len(want):len(want)], ','); !bytes.HasPrefix(whole, got) || len(rest) == 0 && len(got) < len(whole) {
				t.Fatalf("room for %d\ngot  %s\nwant %s", room, got, want)
			}
		}
	}
}

func FuzzAppendStrings(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.b), uint16(1000), false)
		f.Add([]byte(s.b), uint16(1004), false)
	}
	f.Add(typicalEvent(), uint16(400), true)
	f.Add(jsonLogEvent(), uint16(1000), false)
	f.Add(parsedEvent(), uint16(1002), true)
	f.Add([]byte("\x83\xa3a.b\x01\xa3a_b\xa1x\xa3a_b\xa1y"), uint16(300), true)
	f.Fuzz(func(t *testing.T, b []byte, room uint16, dots bool) {
		if n, in, err := MapHeader(b); err == nil && room&4 != 0 && n < 1000 { // with room after, so that whole vectors can be read
			if end, err := Check(b); err == nil {
				b = append(AppendMapHeader(nil, n+1), in[:end-len(b)+len(in)]...)
				b = AppendStr(AppendStr(b, "padding"), strings.Repeat("p", 64))
			}
		}
		opt := &JSONOptions{ReplaceDots: dots, Omit: []string{"log", "a_b", "\n"}}
		if got, want := AppendJSONMembers(nil, b, opt), membersOneByOne(b, opt); !bytes.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		n, in, err := MapHeader(b)
		if err != nil || n > fewMembers {
			return
		}
		// Both ways of taking strings go as far as they may, and agree on what both have taken.
		one, other := memberRun{n: n, stop: '"'}, memberRun{n: n, stop: '"'}
		memory := guarded(t, len(in), true)
		copy(memory, in)
		dst := guarded(t, int(room), room&1 == 0)[:0]
		got, rest := appendStrings(dst, memory, &one)
		want, _ := appendStringsGo(make([]byte, 0, max(8*len(b), runRoom)), in, &other)
		if !bytes.HasPrefix(want, got) || one.count > other.count || len(rest) > len(in) {
			t.Fatalf("got  %s (%d)\nwant %s (%d)", got, one.count, want, other.count)
		}
		if i := one.count; !slices.Equal(one.at[:i], other.at[:i]) || one.suspects != other.suspects&(1<<i-1) ||
			i == other.count && one.seen != other.seen {
			t.Fatalf("got  %+v\nwant %+v", one, other)
		}
	})
}

func TestAKeyIsFoundAgainHoweverItIsWritten(t *testing.T) {
	keys := []string{"\xa11", "\xd9\x011", "\xda\x00\x011", "\xc4\x011", "\x01", "\xcc\x01", "\xa3a.b", "\xa3a_b", "\xd9\x03a_b"}
	for i, one := range keys {
		for _, other := range keys[i:] {
			for _, between := range []string{"", "\xa1x\xa1y"} {
				for _, pair := range []string{one + "\x01" + between + other + "\x02", other + "\xa11" + between + one + "\xa12"} {
					body := append(AppendMapHeader(nil, 3+len(between)/4), pair...)
					body = AppendStr(AppendStr(body, "padding"), strings.Repeat("p", 64))
					for _, opt := range []*JSONOptions{{}, {ReplaceDots: true}} {
						if got, want := AppendJSONMembers(nil, body, opt), membersOneByOne(body, opt); !bytes.Equal(got, want) {
							t.Fatalf("%q\ngot  %s\nwant %s", pair, got, want)
						}
					}
				}
			}
		}
	}
}

func TestSuspectsAreSortedOut(t *testing.T) {
	// Far more keys than there are bits for them: many share one.
	for n := 1; n <= fewMembers+2; n++ {
		for twice := range n {
			body := AppendMapHeader(nil, n+1)
			for i := range n {
				body = AppendStr(AppendStr(body, "field"+strconv.Itoa(i)), "v")
			}
			body = AppendStr(AppendStr(body, "field"+strconv.Itoa(twice)), "w")
			for _, opt := range []*JSONOptions{{}, {Omit: []string{"field0", "other"}}, {ReplaceDots: true}} {
				if got, want := AppendJSONMembers(nil, body, opt), membersOneByOne(body, opt); !bytes.Equal(got, want) {
					t.Fatalf("got  %s\nwant %s", got, want)
				}
			}
		}
	}
}
