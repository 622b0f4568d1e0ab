// Package buffer is a durable FIFO of batches, one queue for each output. It doesn't know what is in a batch: a batch is
// bytes and a number of records. Queues that get the same batches can have files in common (Fan).
//
// A queue is a folder, <dir>/<name>/, of segments. A batch is appended to the newest segment by one write and read back, in
// chunks, from the oldest; a segment whose chunks are all committed is removed at once. The page cache is the memory
// buffer: what is delivered within seconds never reaches the disk, except for the few files that are written again and
// again, which the kernel writes back once in 30 s by its defaults. A segment that is committed before an older one is
// truncated to its head until the older one is committed too, so that it isn't taken for missing.
//
// A segment has up to 4 MiB, or an eighth of the limit if that is less. One that is made while the queue is long has an
// eighth of the queue, up to 16 MiB. A batch that is larger gets a segment of its own. (Where many files are made and
// removed, making one is expensive: ext4 scans all inodes that were freed in the last minute.)
//
// A file whose segment is committed is removed, or kept as a spare, under another name, to become a later segment:
// overwriting a file that the page cache holds costs a sixth less than filling a new one. There are at most two spares;
// none with Sync, and none in memory. They count towards the limit, are given up before anything waits or is dropped for
// room, and are removed by Close, or else by the next Open. A damaged file is never overwritten.
//
// # Format
//
// All numbers are little-endian, all CRCs are CRC-32C.
//
// A segment is a file "<number as 16 hex digits>.seg". Numbers ascend and are not used twice in a folder.
//
//	  0  header       64 bytes
//	 64  mark         40 bytes, rewritten in place, then 24 of zeros
//	128  header again 64 bytes, the same: a flipped bit in one of the two loses nothing
//	192  frames
//
// Header:
//
//	 0  8  "FIRELANE"
//	 8  4  version, 2
//	12 10  identity under which the records were appended
//	22  2  0
//	24  8  segment number
//	32  8  position of the first record
//	40 20  random bytes, so that the CRC, which begins all others, can't be derived from records' ids
//	60  4  CRC of the 60 bytes before
//
// Mark, how far the segment is committed, and where it ends:
//
//	 0  8  every frame before this offset is committed
//	 8  8  the position that begins there
//	16  8  offset where the last frame ends; 0 while the segment is being written
//	24  8  the position after its last record
//	32  4  1 if the segment is known to be damaged, else 0
//	36  4  CRC of the 36 bytes before, begun with the header's CRC
//
// Frame:
//
//	 0  4  length of the batch
//	 4  4  records in it
//	 8  8  position of its first record
//	16  4  CRC of the batch
//	20  4  CRC of the 20 bytes before, begun with the header's CRC, so that no other segment's frame is taken for one
//	24     the batch
//
// # Shared files
//
// A Fan writes what several queues get to one file, which has a name in each queue's folder (a hard link), and is gone when the
// last of them has removed it. All of them append to it, or none: when one can't, the file ends. It differs from a queue's own:
//
//	header  version 3; at 22 the number of queues that the file was made for, its slots; no segment number. The identity is the
//	        file's own; positions begin with 0.
//	192     a slot of 64 bytes for each of these queues, and then the frames. A queue's slot is the one whose number is that of
//	        its segment modulo 64; numbers are skipped for that.
//
// Slot:
//
//	 0 40  the queue's mark
//	40  8  the queue's position of the file's first record
//	48 10  the queue's identity
//	58  4  CRC of these 18 bytes, begun with the header's CRC
//
// A queue changes nothing in the file but its slot. A file that others have, too, becomes no spare, and is replaced by one with a
// head where a queue's own is truncated. Copying a folder makes its files the copy's own, which changes nothing.
//
// # Where a segment ends
//
// A file that was a spare is not truncated: bytes of the segments that it held before follow the last frame. In a file
// that is filled ahead, zeros do. So each write, of the head or of a frame, ends with an end frame: the 24 bytes of a
// frame without a batch, with length and records 0, at the position of the next record. The next write begins over it.
// An older segment's frames can't be taken for this one's: their CRCs begin with another header's CRC. Nor can what an
// application logs: it doesn't know the header's CRC. A spare gets its new head first and its new name then, so that a file
// with a segment's name has that segment's head at any moment.
//
// A segment that was closed says in its mark where it ends. In one that was not (the newest, after a crash) frames are
// followed from the first. Where one doesn't fit, the rest of the file is searched for a frame or an end frame with its CRC
// and a later position:
//
//	an end frame where it is expected  The last write was finished.
//	a later frame or end frame         What lies between is damaged. It is counted when it is read.
//	nothing                            The last write was not finished: it was cut in its header, in its batch, which then
//	                                   lacks its CRC, or in its end frame. It is cut off.
//
// This rests on one assumption: a kernel that kills a process ends its write at some byte, so that what comes before is
// written, and what comes after is not.
//
// # Identity and position
//
// A record's id is the identity in its segment's header (in a shared file: in the queue's slot) and its position. Each Open draws a new identity for what is
// appended from then on; what it finds keeps its own. So a position can't repeat under one identity, whatever happens to
// the files: not after a loss of power that took records which were already delivered, not when files vanish, not when a
// folder is copied or restored. Positions go on from where the folder ends, so that a gap between two segments is exactly
// what is missing. No clock is read for any of this, and none is stored.
//
// # What is promised
//
//	kill -9, out of memory, a panic    Every batch whose Append returned is there, once, whole. A batch that was being
//	                                   written is there or not. What was in flight is delivered again under the same
//	                                   ids, with what was committed after it in the same segment, and no more.
//	loss of power, a kernel crash      What the kernel had not written yet (30 s by its defaults) may be gone, since no
//	                                   fsync is made; a segment whose new head had not been written is set aside. With
//	                                   Sync nothing is lost whose Append returned. Marks are never synced: delivered
//	                                   records may be delivered again, under the same ids.
//	an unfinished write                The frame that was being written when the process ended is cut off, and logged.
//	a damaged frame                    That frame's records are counted as dropped, the segment's others are delivered,
//	                                   and then the file is set aside as *.seg.damaged. No damaged file is removed.
//	a damaged mark                     The segment is delivered from its beginning, under the same ids; if what follows the mark in
//	                                   a slot is damaged, under other ids.
//	a damaged header                   The copy is used. If both are damaged the file is set aside.
//	another version of the format      The file waits as *.seg.v<version> until a router of that version opens the queue.
//	the folder is removed              It is made and locked again at the next segment, or within a second of appends.
//	                                   What it held is delivered by this process only.
//	a segment cut short                The frames before the cut are delivered; the rest is dropped, the file set aside.
//	a read error (EIO)                 The rest of the segment is dropped, the file is set aside, the queue goes on.
//	a file missing in the middle       Logged; its records are counted as dropped. The first and the last can't be told
//	                                   from delivered ones.
//	a full disk, a short write         As a full queue: Append waits (it tries again every second and at every commit)
//	                                   or the oldest is dropped. A batch is appended whole or not at all.
//	a clock that jumps                 Nothing: only durations are measured, by the monotonic clock.
//	two routers in one folder          The second gets an error that names the folder (flock).
//
// Records of a damaged file are counted where their number is known: from the frame's own header, or from the positions
// around it. What an unfinished segment holds after a read error is not known, and the log says so.
//
// # Attempts
//
// The file "attempts" says which records are being delivered (attempts.go has its format), so that the delivery loop can find
// the one that kills the process. It is removed by Close, and is no part of the format: without it nothing is lost.
//
// # Chunks that wait
//
// Whoever delivers large files keeps chunks for minutes: Free gives a chunk's memory back while it stays in flight, and Load
// reads it again (free.go). The file "notes" has what that reader must know after a restart (sidenotes.go): for the queue it is
// only text. It is no part of the format either.
//
// # Full
//
// The limit counts the sizes of the segments, without their last end frames, and of the spares. With Block, Append waits,
// first come first served, and an empty queue takes any batch. With DropOldest the oldest segment is removed, whether it is
// being delivered or not; chunks of it that are in flight stay in memory and are committed as usual, or count as dropped
// when they are released. Append then never waits, except for a disk that is full with other things. A stalled queue (append.go)
// drops its oldest for a caller that says that others wait; on a full disk, for another queue that has no room
// (DropOldestOf). On a full disk records whose file other queues have, too, are dropped by all of these at once, or else by a queue alone,
// which then waits, since that frees nothing.
package buffer
