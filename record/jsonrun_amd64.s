//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// How many bytes after a string the stores of whole vectors may reach, and what closes the string.
#define MARGIN 48

DATA two<>+0(SB)/8, $0x0202020202020202
DATA two<>+8(SB)/8, $0x0202020202020202
GLOBL two<>(SB), RODATA|NOPTR, $16

DATA space<>+0(SB)/8, $0x2020202020202020
DATA space<>+8(SB)/8, $0x2020202020202020
GLOBL space<>(SB), RODATA|NOPTR, $16

DATA backslash<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA backslash<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL backslash<>(SB), RODATA|NOPTR, $16

// FINE sets in fine the bytes of x that stand for themselves in a JSON string. Flipping the bit 2 puts the quote right
// after the control characters, so that one signed comparison finds both of them and what is beyond ASCII.
#define FINE(x, fine, tmp) \
	MOVO    x, tmp     \
	PXOR    X8, tmp    \
	PCMPGTB X9, tmp    \
	MOVO    x, fine    \
	PCMPEQB X10, fine  \
	PANDN   tmp, fine

// BEHINDEND makes the last 32 bytes of b readable with 32 bytes of zeros after them: p becomes the place there of what
// it points at, which is among those 32.
#define BEHINDEND(p) \
	MOVOU -32(R8), X0          \
	MOVOU -16(R8), X1          \
	MOVOU X0, scratch-64(SP)   \
	MOVOU X1, scratch-48(SP)   \
	PXOR  X1, X1               \
	MOVOU X1, scratch-32(SP)   \
	MOVOU X1, scratch-16(SP)   \
	SUBQ  R8, p                \
	LEAQ  scratch-32(SP)(p*1), p

// func copyStrings(dst, b []byte, r *memberRun) (wrote, read int)
//
//	SI  what comes next of b      R8  its end
//	DI  where it is written       R9  the last place where a string may end
//	BX  a value's content         CX  its length, of what is left
//	R10 r, at keys                R11 the escapes
//	R12 the end of the content    R13 r.seen    R14 r.count
TEXT ·copyStrings(SB), NOSPLIT, $72-72
	MOVQ b_base+24(FP), SI
	MOVQ b_len+32(FP), R8
	MOVQ dst_base+0(FP), DI
	MOVQ dst_cap+16(FP), R9
	MOVQ r+48(FP), R10
	LEAQ -MARGIN(DI)(R9*1), R9
	ADDQ dst_len+8(FP), DI
	MOVQ memberRun_seen(R10), R13
	MOVQ memberRun_count(R10), R14
	MOVOU two<>(SB), X8
	MOVOU space<>(SB), X9
	MOVOU backslash<>(SB), X10
	LEAQ ·escapes(SB), R11
	MOVBLZX memberRun_stop(R10), AX
	MOVD    AX, X11
	PUNPCKLBW X11, X11
	PSHUFLW $0, X11, X11
	PSHUFD  $0, X11, X11
	CMPQ R8, $32
	LEAQ (SI)(R8*1), R8
	JLT  keys // nothing is taken: there is no vector to read

key:
	MOVQ r+48(FP), R10
	CMPQ R14, memberRun_n(R10)
	JGE  keys
	LEAQ 32(DI), AX
	CMPQ AX, R9
	JHI  keys
	CMPQ SI, R8
	JHS  keys
	MOVBLZX (SI), CX
	SUBL $0xa0, CX
	LEAL -1(CX), AX
	CMPL AX, $31 // 1 to 31 bytes
	JHS  keys
	LEAQ 1(SI), BX
	LEAQ 33(SI), AX
	CMPQ AX, R8
	JHI  keyatend

keyload:
	MOVOU (BX), X0
	MOVOU 16(BX), X3
	MOVB  $'"', (DI)
	MOVOU X0, 1(DI)
	MOVOU X3, 17(DI)
	FINE(X0, X1, X2)
	PCMPEQB X11, X0
	PANDN X1, X0
	FINE(X3, X4, X5)
	PCMPEQB X11, X3
	PANDN X4, X3
	PMOVMSKB X0, AX
	PMOVMSKB X3, DX
	SHLL $16, DX
	ORL  DX, AX
	NOTL AX
	MOVL $1, DX
	SHLL CX, DX
	DECL DX
	TESTL DX, AX
	JNZ  keys

	// A bit of seen is set by the key's length and last two bytes, the header being one of them where it has but one.
	MOVWLZX -1(SI)(CX*1), AX
	MOVL CX, DX
	SHLL $16, DX
	ORL  DX, AX
	IMUL3L $const_keyFactor, AX, AX
	SHRL $26, AX
	BTSQ AX, R13
	JCS  suspect

place:
	MOVQ DI, AX
	SUBQ dst_base+0(FP), AX
	SUBQ memberRun_base(R10), AX
	LEAL 3(CX), DX
	MOVL AX, (memberRun_at+place_start)(R10)(R14*8)
	MOVL DX, (memberRun_at+place_key)(R10)(R14*8)
	INCQ R14
	MOVW $('"'|':'<<8), 1(DI)(CX*1)
	LEAQ 3(DI)(CX*1), DI
	LEAQ 1(SI)(CX*1), SI

	CMPQ SI, R8
	JHS  values
	MOVBLZX (SI), CX
	LEAQ 1(SI), BX
	SUBL $0xa0, CX
	CMPL CX, $32
	JHS  notfix

value:
	LEAQ (BX)(CX*1), R12
	CMPQ R12, R8
	JHI  values
	LEAQ (DI)(CX*1), AX
	CMPQ AX, R9
	JHI  values
	MOVQ DI, undo-72(SP)
	MOVB $'"', (DI)
	INCQ DI
	SUBQ $32, CX
	JLT  half

	PCALIGN $16
whole:
	MOVOU (BX), X0
	MOVOU 16(BX), X3
	MOVOU X0, (DI)
	MOVOU X3, 16(DI)
	FINE(X0, X1, X2)
	FINE(X3, X4, X5)
	MOVO  X1, X2
	PAND  X4, X2
	PMOVMSKB X2, AX
	CMPL AX, $0xffff
	JNE  escapes

wholenext:
	ADDQ $32, BX
	ADDQ $32, DI
	SUBQ $32, CX
	JGE  whole

half: // CX is 32 less than what is left
	ADDQ $16, CX
	JLT  tail
	MOVOU (BX), X0
	MOVOU X0, (DI)
	FINE(X0, X1, X2)
	PMOVMSKB X1, DX
	XORL $0xffff, DX
	JNZ  escape
	ADDQ $16, BX
	ADDQ $16, DI
	SUBQ $32, CX
	JMP  half

tail: // CX is 16 less than what is left, which is less than 16
	ADDQ $16, CX
	LEAQ 16(BX), AX
	CMPQ AX, R8
	JHI  atend

tailload:
	MOVOU (BX), X0
	MOVOU X0, (DI)
	FINE(X0, X1, X2)
	PMOVMSKB X1, AX
	XORL $0xffff, AX
	MOVL $1, DX
	SHLL CX, DX
	DECL DX
	ANDL AX, DX
	JNZ  escapetail
	MOVW $('"'|','<<8), (DI)(CX*1)
	LEAQ 2(DI)(CX*1), DI
	MOVQ R12, SI
	JMP  key

escapetail:
	SUBQ $16, CX

escape: // DX has a bit for each byte to escape, CX is 16 less than what is left from R12-CX-16 on
	BSFL DX, DX
	ADDQ $16, CX
	MOVQ R12, BX
	SUBQ CX, BX
	MOVBLZX (BX)(DX*1), AX
	MOVBLZX (R11)(AX*1), AX
	TESTL AX, AX
	JZ   undo
	SHLL $8, AX
	ORL  $'\\', AX
	MOVW AX, (DI)(DX*1)
	LEAQ 2(DI)(DX*1), DI
	INCL DX
	SUBQ DX, CX
	MOVQ R12, BX
	SUBQ CX, BX
	LEAQ (DI)(CX*1), AX
	CMPQ AX, R9
	JHI  undo
	SUBQ $32, CX
	JGE  whole
	JMP  half

escapes: // of the 32 bytes at BX. Behind each of them the 32 bytes that follow it are copied anew, one place further on.
	LEAQ 64(BX), AX
	CMPQ AX, R8
	JHI  half
	LEAQ 64(DI)(CX*1), AX
	CMPQ AX, R9
	JHI  half
	PMOVMSKB X1, DX
	PMOVMSKB X4, AX
	SHLL $16, AX
	ORL  AX, DX
	NOTL DX

escapenext:
	BSFL DX, AX
	MOVBLZX (BX)(AX*1), R10
	MOVBLZX (R11)(R10*1), R10
	TESTL R10, R10
	JZ   undo
	MOVOU 1(BX)(AX*1), X0
	MOVOU 17(BX)(AX*1), X3
	SHLL $8, R10
	ORL  $'\\', R10
	MOVW R10, (DI)(AX*1)
	MOVOU X0, 2(DI)(AX*1)
	MOVOU X3, 18(DI)(AX*1)
	INCQ DI
	LEAL -1(DX), AX
	ANDL AX, DX
	JNZ  escapenext
	JMP  wholenext

undo:
	MOVQ undo-72(SP), DI

values: // the next value is not taken
	MOVQ r+48(FP), R10
	MOVB $1, memberRun_value(R10)
	JMP  done

keys: // the next key is not taken, or there is none
	MOVB $0, memberRun_value(R10)

done:
	MOVQ R13, memberRun_seen(R10)
	MOVQ R14, memberRun_count(R10)
	SUBQ dst_base+0(FP), DI
	SUBQ dst_len+8(FP), DI
	SUBQ b_base+24(FP), SI
	MOVQ DI, wrote+56(FP)
	MOVQ SI, read+64(FP)
	RET

notfix:
	CMPL CX, $(0xd9-0xa0)
	JNE  notstr8
	LEAQ 2(SI), BX
	CMPQ BX, R8
	JHI  values
	MOVBLZX 1(SI), CX
	JMP  value

notstr8:
	CMPL CX, $(0xda-0xa0)
	JNE  values
	LEAQ 3(SI), BX
	CMPQ BX, R8
	JHI  values
	MOVWLZX 1(SI), CX
	ROLW $8, CX
	JMP  value

suspect:
	MOVQ memberRun_suspects(R10), AX
	BTSQ R14, AX
	MOVQ AX, memberRun_suspects(R10)
	JMP  place

keyatend:
	LEAQ (BX)(CX*1), AX
	CMPQ AX, R8
	JHI  keys
	BEHINDEND(BX)
	JMP  keyload

atend: // nothing may be left, and BX be the end
	BEHINDEND(BX)
	JMP  tailload
