// Package buffer is a durable FIFO of batches, one queue for each output. It doesn't know what is in a batch: a batch is
// bytes and a number of records.
//
// A queue is a folder, <dir>/<name>/, with segments in it. A batch is appended to the newest segment by one write; it is
// read back, in chunks, from the oldest; a segment whose chunks are all committed is done with at once. The page cache is
// the memory buffer: what is delivered within seconds never reaches the disk, save for what stands in the few files that
// are written again and again, once in 30 s by the kernel's defaults. A segment that is committed before an older one is
// cut to its head until that one is too, so that it isn't taken for missing.
//
// A segment has up to 4 MiB, or an eighth of the limit if that is less; one that is made when the queue is long an eighth of
// the queue, up to 16 MiB; and a batch that is larger one of its own. Where many files are made and removed, making one is
// dear, since ext4 goes over all those that were removed in the last minute.
//
// A file that is done with is removed, or kept as a spare under another name, to become a later segment: writing over it
// costs a third of what filling a new one does. There are two spares at most; none with Sync, and none in memory. They
// count for the limit, are given up before anything waits or is dropped for room, and go when the queue is closed, or
// else at the next Open. What is damaged is never written over. Where the page cache has large pages a new file is filled
// ahead with zeros, for the same reason, 256 KiB at a time.
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
//	 8  4  version, 1
//	12 10  identity under which the records were appended
//	22  1  1 if the file is padded, else 0
//	23  1  0
//	24  8  segment number
//	32  8  position of the first record
//	40 20  0
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
// # Padded files
//
// The file of a spare is not cut: bytes of the segments that it was, its former lives, stand behind the last frame; and
// zeros do in one that was filled ahead. So each write, the head's too, ends there with an end frame: a frame's header
// without length, records and batch, which the next write begins over. A spare gets its new head first and its new name
// then, so that a file with a segment's name has that segment's head at any moment. From a frame of a former life the
// seed of the CRC differs, and its position is lower than the segment's first.
//
// At Open, in the one segment that wasn't sealed, frames are followed from the first; where one doesn't fit, the rest of
// the file is searched for another that has its CRC and a position that may come. What stands behind the last then is
//
//	the end frame             the last write was finished. If the last batch lacks its CRC it is damaged, and counted.
//	a header that goes over   the next write had begun, and its Append hasn't returned: cut off.
//	into the end frame
//	a header with the place's a batch was whole here and its header is damaged: the file is set aside.
//	position, or the CRC that
//	would go with it
//	anything else             the last write was cut, in its batch (then it lacks its CRC) or in its end frame: cut off.
//
// A kernel that kills a process ends its write at some byte: what comes before is written, what comes after is not. So
// after kill -9 nothing else is possible, and the third is damage. The price is that a last frame whose header is
// damaged beyond recognition is cut off as if it were never finished, which in a file that isn't padded would be set aside.
//
// # Identity and position
//
// A record's id is the identity in its segment's header and its position. Each Open draws a new identity for what is
// appended from then on; what it finds keeps the one it was born with. So a position can't repeat under one identity,
// whatever happens to the files: not after a loss of power that took records which were already delivered, not when
// files vanish, not when a folder is copied or restored. Positions go on from where the folder ends, so that a gap
// between two segments is exactly what is missing. No clock is read for any of this, and none is stored.
//
// # What is promised
//
//	kill -9, out of memory, a panic    Every batch whose Append returned is there, once, whole. A batch that was being
//	                                   written is there or not. What was in flight is given out again under the same
//	                                   ids, with what was committed behind it in the same segment, and no more.
//	loss of power, a kernel crash      What the kernel had not written yet (30 s by its defaults) may be gone, since no
//	                                   fsync is made; a segment whose head was not, where a former life's is, is set
//	                                   aside. With Sync nothing is gone, whose Append returned. Marks are never synced:
//	                                   delivered records may be given out again, under the same ids.
//	a torn tail                        The frame that was being written when the process ended is cut off and reported.
//	a damaged frame                    That frame's records are counted as dropped, the segment's others are delivered,
//	                                   and then the file is set aside as *.seg.damaged. Nothing is ever wiped.
//	a damaged mark                     The segment is given out from its beginning, under the same ids.
//	a damaged header                   The copy is used. If both are damaged the file is set aside.
//	a segment cut short                The frames before the cut are delivered; the rest is dropped, the file set aside.
//	a read error (EIO)                 The rest of the segment is dropped, the file is set aside, the queue goes on.
//	a file missing in the middle       Reported; its records are counted as dropped. The first and the last can't be
//	                                   told from delivered ones.
//	a full disk, a short write         As a full queue: Append waits (it tries again every second and at every commit)
//	                                   or the oldest goes. A batch is appended whole or not at all.
//	a clock that jumps                 Nothing: only durations are measured, by the monotonic clock.
//	two routers in one folder          The second gets an error that names the folder (flock).
//
// Records of a damaged file are counted where they are known: from the frame's own header, or from the positions around
// it. What follows an unreadable header at the very end of the queue is not known, and said to be so.
//
// # Full
//
// The limit counts the segments' sizes, and the spares'. With Block, Append waits, first come first served, and an empty
// queue takes any batch. With DropOldest the oldest segment is removed, whether it is being delivered or not; chunks of it
// that are out live on in memory and are committed as usual, or count as dropped when they are released. Append then
// never waits, save for a disk that is full with other things.
package buffer
