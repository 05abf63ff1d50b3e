// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Marks every 64 KiB block of one disk that is written. One instance of this object is loaded per disk.
//
// Both ends of a request mark: its issue, so that a block is known before its content changes, and its completion, so
// that a write in flight while the marks are taken is marked again for the next turn. What cannot be expressed as
// blocks of the disk is counted in `info`, and any such count voids the epoch: doubt costs a comparison.
//
// Structures are declared with the few members used; CO-RE finds their real offsets in the running kernel's BTF.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define UINT(name, value) int(*name)[value]
#define TYPE(name, type) type *name

// From the kernel's stable interface, include/uapi/linux/bpf.h.
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_F_MMAPABLE (1U << 10)
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*const bpf_loop)(u32 count, void *callback, void *context, u64 flags) = (void *)181;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct gendisk {
	int major;
	int first_minor;
};
struct request_queue {
	struct gendisk *disk;
};
struct bvec_iter {
	u64 bi_sector;
	u32 bi_size;
};
struct bio {
	struct bio *bi_next;
	struct bvec_iter bi_iter;
};
struct request {
	struct request_queue *q;
	u32 cmd_flags;
	u32 __data_len;
	u64 __sector;
	struct bio *bio;
};
// Linux 5.16 and older.
struct request___with_disk {
	struct gendisk *rq_disk;
};
#pragma clang attribute pop

#define FIELD_EXISTS 2
#define exists(field) __builtin_preserve_field_info(field, FIELD_EXISTS)
#define read(to, field) bpf_probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(field)))

#define SECTOR_BITS 9
#define BLOCK_BITS 16
#define BLOCKS_PER_WORD 8
#define MAX_BIOS 4096

// include/linux/blk_types.h; these numbers have been the same since Linux 4.10.
#define OP_MASK 0xff
enum {
	OP_READ = 0,
	OP_WRITE = 1,
	OP_FLUSH = 2,
	OP_DISCARD = 3,
	OP_SECURE_ERASE = 5,
	OP_WRITE_ZEROES = 9,
	OP_DRV_IN = 34,
	OP_DRV_OUT = 35,
};

// The agent writes all but the counters before it attaches the programs; src/tracker/info.rs has the layout, too.
struct info {
	u32 version;
	u32 major;
	u32 minor;
	u32 sector_size;
	u64 size;
	u64 base_guid;
	u64 has_base;
	u8 tracker[16];
	u8 boot[16];
	u64 passthrough; // writing commands that bypass the block layer's notion of sectors
	u64 unknown;	 // operations this program does not know, blocks beyond the end, bio chains without end
	u64 requests;	 // issued requests that were marked
	u64 sequence;	 // the kernel's number for this appearance of the disk
	u64 reserved[3];
};

struct {
	UINT(type, BPF_MAP_TYPE_ARRAY);
	UINT(map_flags, BPF_F_MMAPABLE);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct info);
} info SEC(".maps");

// One byte a block, eight blocks a word, so that a mark is a plain store that needs no atomic operation. The number of
// words is set when the object is loaded.
struct {
	UINT(type, BPF_MAP_TYPE_ARRAY);
	UINT(map_flags, BPF_F_MMAPABLE);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u64);
} live SEC(".maps");

// Marks that a job has taken from `live`. No program touches it; it is here to be pinned beside the other two.
struct {
	UINT(type, BPF_MAP_TYPE_ARRAY);
	UINT(map_flags, BPF_F_MMAPABLE);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u64);
} job SEC(".maps");

struct range {
	u64 first; // block
	u64 last;  // block, included
	u64 beyond;
};

static long mark_word(u32 turn, struct range *range)
{
	u64 number = range->first / BLOCKS_PER_WORD + turn;
	u32 key = number;
	u64 *word = number >> 32 ? 0 : bpf_map_lookup_elem(&live, &key);
	if (!word) {
		range->beyond = 1;
		return 1;
	}
	u64 begin = number * BLOCKS_PER_WORD;
	if (range->first <= begin && begin + BLOCKS_PER_WORD - 1 <= range->last) {
		*word = 0x0101010101010101ULL;
		return 0;
	}
#pragma unroll
	for (u32 i = 0; i < BLOCKS_PER_WORD; i++)
		if (range->first <= begin + i && begin + i <= range->last)
			((volatile u8 *)word)[i] = 1;
	return 0;
}

// Returns whether all of the range lies on the disk.
INLINE int mark(u64 sector, u64 bytes)
{
	if (!bytes)
		return 1;
	struct range range = {
		.first = sector >> (BLOCK_BITS - SECTOR_BITS),
		.last = ((sector << SECTOR_BITS) + bytes - 1) >> BLOCK_BITS,
	};
	bpf_loop(range.last / BLOCKS_PER_WORD - range.first / BLOCKS_PER_WORD + 1, mark_word, &range, 0);
	return !range.beyond;
}

struct chain {
	u64 bio;
	u64 beyond;
};

static long mark_bio(u32 turn, struct chain *chain)
{
	struct bio *bio = (struct bio *)chain->bio;
	u64 next = 0, sector = 0;
	u32 bytes = 0;
	if (!bio)
		return 1;
	if (read(sector, bio->bi_iter.bi_sector) || read(bytes, bio->bi_iter.bi_size) || read(next, bio->bi_next)) {
		chain->beyond = 1;
		return 1;
	}
	if (!mark(sector, bytes))
		chain->beyond = 1;
	chain->bio = next;
	return 0;
}

// A merged discard covers ranges that do not lie together: each is a bio of its own.
INLINE int mark_bios(u64 first)
{
	struct chain chain = { .bio = first };
	bpf_loop(MAX_BIOS, mark_bio, &chain, 0);
	return !chain.beyond && !chain.bio;
}

INLINE struct gendisk *disk_of(struct request *request)
{
	struct request___with_disk *old = (void *)request;
	if (exists(old->rq_disk))
		return old->rq_disk;
	return request->q->disk;
}

INLINE int see(struct request *request, int issued)
{
	u32 zero = 0;
	struct info *me = bpf_map_lookup_elem(&info, &zero);
	struct gendisk *disk = disk_of(request);
	if (!me || !disk || (u32)disk->major != me->major || (u32)disk->first_minor != me->minor)
		return 0;
	int known = 1;
	u64 bio = 0;
	switch (request->cmd_flags & OP_MASK) {
	case OP_READ:
	case OP_FLUSH:
	case OP_DRV_IN:
		return 0;
	case OP_DISCARD:
		// As a number, which the loop's callback may follow; the verifier forbids arithmetic on pointers.
		if (!read(bio, request->bio) && bio) {
			known = mark_bios(bio);
			break;
		}
		// fall through: without bios the request's own range is all there is
	case OP_WRITE:
	case OP_SECURE_ERASE:
	case OP_WRITE_ZEROES:
		known = mark(request->__sector, request->__data_len);
		break;
	case OP_DRV_OUT:
		__sync_fetch_and_add(&me->passthrough, 1);
		return 0;
	default:
		known = 0;
	}
	if (!known)
		__sync_fetch_and_add(&me->unknown, 1);
	if (issued)
		__sync_fetch_and_add(&me->requests, 1);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int issue(u64 *arguments)
{
	return see((struct request *)arguments[0], 1);
}

SEC("tp_btf/block_rq_complete")
int complete(u64 *arguments)
{
	return see((struct request *)arguments[0], 0);
}

// The kernel demands a licence it knows before it offers bpf_probe_read_kernel.
char _license[] SEC("license") = "GPL";
