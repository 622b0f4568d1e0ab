package main

import (
	"bytes"
	"encoding/binary"
)

// Calls of Kinesis may be in CBOR (RFC 8949).
const (
	cborMap  = 0xbf // begins a body, and the entries of a reply
	cborData = "\x64Data"

	kinesisDoneCBOR   = "\xbf\x6eSequenceNumber\x611\x67ShardId\x74shardId-000000000000\xff"
	kinesisFailedCBOR = "\xbf\x69ErrorCode\x78\x26ProvisionedThroughputExceededException\x6cErrorMessage\x78\x2cRate exceeded for shard shardId-000000000000\xff"
)

// refusedCBOR is refusedKinesis for a body in CBOR.
func refusedCBOR(body []byte, bad func() bool) ([]byte, int, string) {
	text, again, entries := entries(body, bad, kinesisDoneCBOR, kinesisFailedCBOR)
	reply := append([]byte{cborMap}, "\x71FailedRecordCount"...)
	if again == 0 {
		reply = append(reply, 0)
	} else {
		reply = binary.BigEndian.AppendUint32(append(reply, 0x1a), uint32(again))
	}
	reply = append(append(reply, "\x67Records\x9f"...), entries...)
	return text, again, string(append(reply, 0xff, 0xff))
}

// dataCBOR is data for a body in CBOR. Data that contains the name of the member is skipped as a whole, so that it isn't taken for one.
func dataCBOR(body []byte, each func(text []byte)) {
	for {
		_, rest, found := bytes.Cut(body, []byte(cborData))
		if !found || len(rest) < 5 {
			return
		}
		n, at := int(rest[0]&31), 1
		switch n {
		case 24:
			n, at = int(rest[1]), 2
		case 25:
			n, at = int(binary.BigEndian.Uint16(rest[1:])), 3
		case 26:
			n, at = int(binary.BigEndian.Uint32(rest[1:])), 5
		}
		if n > len(rest)-at {
			return
		}
		each(rest[at : at+n])
		body = rest[at+n:]
	}
}
