/**
 * Corrected bytes of the builds of uWebSockets.js for linux-x64 in uwebsockets 3.0.6.
 *
 * Values of headers, all builds: the parser takes bytes beyond ASCII for blanks, because it compares them as signed, and
 * cuts them off at both ends: a label `Zoë` would be stored as `Zo`, silently. The correction compares as unsigned.
 *
 * Everything else is about the Node.js 20 build's parser of request heads, a function at 0xee080.
 *
 * The function returns the length of a complete head, or 0 for "wait for more". It also returned 0 for heads that no
 * further byte can complete, so that such a request was never answered and its connection idled until its time limit.
 * All of these now set the caller's error code, which makes the library answer at once and close the connection:
 *
 * | Head                                                      | Code and answer |
 * | --------------------------------------------------------- | --------------- |
 * | a request line that is complete and not HTTP/1.1          | 1: 505          |
 * | more than 98 header lines                                 | 2: 431          |
 * | a byte that no name can have, or a line without a `:`     | 3: 400          |
 * | a control byte in a value, or a CR that no LF follows     | 3: 400          |
 *
 * Whether more has to be waited for follows from the end of what was received, which the function is given: it is kept
 * at [rsp+0x18], and the place of the error code at [rsp+0x10]. Names may have every character of a token (RFC 9110
 * §5.6.2), each found in a table of 128 bits; capital letters are folded.
 *
 * The code takes the place of the reading of PROXY protocol headers, which nothing calls any more: nobody asked for it,
 * and any client could have claimed any address with it. Registers at every label: r15 first byte of the head, r8 first
 * byte of the line, r9 place in its name, r10 place in its value. All jumps are within the function.
 */

/** Bytes that replace those at a file offset, as hexadecimal. */
export interface Correction {
  readonly offset: number;
  readonly bytes: string;
}

/** By SHA-256 of the file: no other file is touched. */
export const CORRECTIONS: ReadonlyMap<string, readonly Correction[]> = new Map([
  [
    // uws_linux_x64_115.node
    'f4fa5d7b697529b45ac8aa3d57385d9af51bc1d2b26aa9f5b68ca4361542e665',
    [
      // Instead of the look for a PROXY header:
      //   mov [rsp+0x10], r13; lea rax, [rdi+rsi]; mov [rsp+0x18], rax; nop
      { offset: 0xee0a7, bytes: '4c896c2410488d0437488944241890' },
      {
        // Instead of the reading of a PROXY header.
        //   line:  mov rax, r15                     a request line: skip what is at least a blank
        //   skip:  cmp byte [rax], 0x20; lea rax, [rax+1]; jae skip
        //          cmp byte [rax-1], 0x0d; jne e505
        //          cmp rax, [rsp+0x18]; jae wait    nothing behind the CR yet, or it is the library's own, at the end
        //   e505:  mov ecx, 1; jmp set
        //   last:  lea rax, [r10+3]; jmp cr         the CR of an empty line without its LF
        //   name:  mov rax, r9                      not a token, not a colon
        //   cr:    cmp rax, [rsp+0x18]; jae wait
        //   e400:  mov ecx, 3; jmp set
        //   e431:  mov ecx, 2
        //   set:   mov rax, [rsp+0x10]; mov [rax], ecx
        //   wait:  xor r12d, r12d; jmp return
        offset: 0xee14f,
        bytes:
          '4c89f8803820488d400173f78078ff0d7507483b442418732ab901000000eb1c498d4203eb034c89' +
          'c8483b4424187313b903000000eb05b902000000488b44241089084531e4eb69',
      },
      // Where error 505 was set: jmp line
      { offset: 0xee1f5, bytes: 'e955ffffff' },
      {
        // The rest of a name, behind the part that is all letters, digits and `-`:
        //          movabs rsi, 0x03ff6cfa00000000; movabs rdi, 0x57ffffffc7fffffe
        //   next:  movzx eax, byte [r9]; mov rdx, rsi; test al, al; js end
        //          test al, 0x40; cmovnz rdx, rdi; bt rdx, rax; jnc end
        //          lea ecx, [rax-'A']; cmp cl, 25; ja keep; or al, 0x20; mov [r9], al
        //   keep:  inc r9; jmp next
        //   end:   mov rcx, [rsp+8]; jmp (where the length of the name is noted)
        offset: 0xee303,
        bytes:
          '48be00000000fa6cff0348bffeffffc7ffffff57410fb6014889f284c0781ea840480f45d7480fa3' +
          'c273128d48bf80f91977050c2041880149ffc1ebd7488b4c2408eb12',
      },
      // No colon: jne name
      { offset: 0xee36e, bytes: '0f8501feffff' },
      // A control byte in a value: jne e400
      { offset: 0xee3d7, bytes: '0f85a2fdffff' },
      // A CR in a value without LF: jne cr
      { offset: 0xee3e0, bytes: '0f8592fdffff' },
      // Blanks behind a value, and before it: jge becomes jae, jg becomes ja.
      { offset: 0xee410, bytes: '41803c01217310' },
      { offset: 0xee42b, bytes: '418079ff207712' },
      // A line behind the 98th: jmp e431
      { offset: 0xee461, bytes: 'e920fdffff' },
      // The last CR without LF: jne last
      { offset: 0xee46b, bytes: '0f85fefcffff' },
    ],
  ],
  [
    // uws_linux_x64_127.node
    '78e38a9a163b1cf33ce539619e5908111dea95a12e7943d95fbcdd524879caa8',
    [
      { offset: 0xff5b1, bytes: '807c030121730c' },
      { offset: 0xff5d1, bytes: '807bff207711' },
    ],
  ],
  [
    // uws_linux_x64_137.node
    '3b549c14e01d9d1faf234cdf4b6f0fb08158605e3692cd0eb1b905e327bd3449',
    [
      { offset: 0xff941, bytes: '807c030121730c' },
      { offset: 0xff961, bytes: '807bff207711' },
    ],
  ],
]);
