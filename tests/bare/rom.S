/*
 * Firmware that is nothing but a guest: from the reset vector into 32-bit
 * protected mode without paging, and on in a copy of itself in RAM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define BOOT        0xFF00      /* in %cs after a reset: see rom.ld */

    .section .boot, "ax"
    .code16
    .globl boot
boot:
    cli
    lgdtl %cs:(gdt_pointer - boot + BOOT)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $protected

    .code32
protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $stack_end, %esp
    cld
    movl $image_load, %esi
    movl $image_start, %edi
    movl $image_end, %ecx
    subl %edi, %ecx
    rep movsb
    movl $bss_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    rep stosb
    call serve
1:  hlt
    jmp 1b

    /* Marked as used, because nothing can be written to a ROM. */
    .balign 8
gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF        /* 0x08: 32-bit code */
    .quad 0x00CF93000000FFFF        /* 0x10: data */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .section .reset, "ax"
    .code16
    jmp boot

    .bss
    .balign 16
    .skip 16384
stack_end:

    .section .note.GNU-stack, "", @progbits
