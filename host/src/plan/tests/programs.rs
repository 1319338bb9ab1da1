//! What the capture programs of single probes look like.

use super::*;
use crate::manifest::Correlation;
use expect_test::{Expect, expect};

fn check_program(probes: Vec<Probe>, index: usize, expected: Expect) {
    let text = with_binary(|binary| {
        let plan = plan(&manifest(probes), binary, 1, 100);
        match plan.probes.iter().find(|probe| probe.index == index) {
            Some(probe) => masked(&disassemble(&probe.program)),
            None => plan.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.what, skipped.why)).collect(),
        }
    });
    expected.assert_eq(&text);
}

#[test]
fn compiles_a_start() {
    check_program(
        vec![serve()],
        0,
        expect![[r#"
            0   w31 = bx
            1   w30 = cx
            2   w29 = di
            3   itab w31 is of 0x_                      else abort
            4   w0 = u64 [w30+16]                            else abort
            5   itab w0 is of 0x_                       else abort
            6   w1 = u64 [w30+24]                            else abort
            7   not nil w1                                   else abort
            8   w3 = u64 [w1+0]                              else 13
            9   w4 = u64 [w3+24]                             else 13
            10  itab w4 is of 0x_                       else 13
            11  w2 = u64 [w3+32]                             else 13
            12  jump 14
            13  w2 = 0
            14  w3 = w29+40
            15  w5 = u64 [w1+0]                              else 20
            16  w6 = u64 [w5+8]                              else 20
            17  itab w6 is of 0x_                       else 20
            18  w4 = u64 [w5+16]                             else 20
            19  jump 21
            20  w4 = 0
            21  join address local [w4+0]
            22  w5 = u64 [w4+24]                             else 27
            23  join number local w5
            24  join address remote [w2+0]
            25  w6 = u64 [w2+24]                             else 27
            26  join number remote w6
            27  w5 = u64 [w29+16]                            else 29
            28  jump 30
            29  w5 = 0
            30  w6 = u64 [w29+24]                            else 32
            31  jump 33
            32  w6 = 0
            33  #0 string [w29+0] limit 64                   else 35
            34  jump 36
            35  #0 failed
            36  #1 string [w5+16] limit 64                   else 38
            37  jump 39
            38  #1 failed
            39  #2 string [w5+0] limit 64                    else 41
            40  jump 42
            41  #2 failed
            42  map w6 layout 0x_
            43  #3 key "Short", 5 bytes, limit 64, first of slice
            44  #4 key "A-Longer", 20 bytes, limit 64, first of slice
            45     key "-Header-"
            46     key "Name"
            47  w7 = u64 [w29+32]                            else 51
            48  map w7 layout 0x_
            49  #5 key "label-17", 8 bytes, limit 64
            50  jump 52
            51  #5 failed
            52  w7 = u64 [w29+112]                           else 55
            53  #6 type of itab w7                           else 55
            54  jump 56
            55  #6 failed
            56  w7 = u64 [w29+128]                           else 59
            57  #7 type of type w7
            58  jump 60
            59  #7 failed
            60  w7 = i16 [w29+104]                           else 63
            61  #8 word w7
            62  jump 64
            63  #8 failed
            64  w7 = u64 [w29+96]                            else 67
            65  #9 word w7
            66  jump 68
            67  #9 failed
            68  #10 string [w29+56] limit 64                 else 70
            69  jump 71
            70  #10 failed
            71  w7 = u64 [w1+0]                              else 75
            72  w8 = i16 [w7+2]                              else 75
            73  #11 word w8
            74  jump 76
            75  #11 failed
            76  w7 = u64 [w29+128]                           else 81
            77  type w7 is 0x_                          else 81
            78  w8 = u64 [w29+136]                           else 81
            79  #12 string [w8+0] limit 64                   else 81
            80  jump 84
            81  #12 string [w30+0] limit 64                  else 83
            82  jump 84
            83  #12 failed
            84  w7 = u64 [w29+112]                           else 90
            85  itab w7 is of 0x_                       else 90
            86  w8 = u64 [w29+120]                           else 90
            87  w9 = u64 [w8+0]                              else 90
            88  #13 word w9
            89  jump 91
            90  #13 failed
            91  begin #14
            92  #14 failed
                keep: w29, w2
                parent context: w3
        "#]],
    );
}

#[test]
fn compiles_an_end_with_kept_words() {
    check_program(
        vec![finish(), serve()],
        0,
        expect![[r#"
            0   w31 = bx
            1   w30 = cx
            2   w29 = di
            3   w28 = kept 0
            4   w27 = kept 1
            5   w26 = r8
            6   w25 = r9
            7   #0 string w31, w30 limit 64
            8   #1 word w29
            9   #2 string [w28+0] limit 64                   else 11
            10  jump 12
            11  #2 failed
            12  w0 = u64 [w27+24]                            else 15
            13  #3 word w0
            14  jump 16
            15  #3 failed
            16  #4 string w26, w25 limit 64
            17  begin #5
            18  #5 failed
            19  begin #6
            20  #6 failed
            21  begin #7
            22  #7 failed
            23  begin #8
            24  #8 failed
        "#]],
    );
}

#[test]
fn compiles_words_promoted_fields_and_the_goroutine() {
    let captures = vec![
        capture("explicit", &["p.base.fd.family"]),
        capture("promoted", &["p.fd.family"]),
        capture("goroutine", &["g.stack.hi"]),
    ];
    let words = Correlation::Words(texts(&["p.fd", "p.fd.family"]));
    let event = Probe { correlation: words, ..probe("send", "main.(*plain).Send", "p *main.plain", captures) };
    check_program(
        vec![event],
        0,
        expect![[r#"
            0   w31 = ax
            1   w30 = r14
            2   w0 = u64 [w31+0]                             else abort
            3   w1 = i16 [w0+2]                              else abort
            4   #0 word w1
            5   #1 word w1
            6   w2 = u64 [w30+8]                             else 9
            7   #2 word w2
            8   jump 10
            9   #2 failed
                key: w0, w1
        "#]],
    );
}

#[test]
fn tries_the_alternatives_of_a_binding_in_order() {
    let captures = vec![capture("family", &["fd.family"]), capture("where", &["target.Path"])];
    let bindings = vec![
        binding("fd", &["w.(*main.plain).fd", "w.(main.absent).fd", "w.(main.tagged).wire.(*main.plain).fd", "r.Err"]),
        binding("target", &["r.Where"]),
        binding("unused", &["r.Header"]),
    ];
    let arguments = "h main.handler, w interface, r *main.Request";
    let probe = Probe { bindings, ..probe("serve", "main.handler.serve", arguments, captures) };
    check_program(
        vec![probe],
        0,
        expect![[r#"
            0   w31 = bx
            1   w30 = cx
            2   w29 = di
            3   itab w31 is of 0x_                      else 6
            4   w0 = u64 [w30+0]                             else 6
            5   jump 13
            6   itab w31 is of 0x_                      else 12
            7   w1 = u64 [w30+16]                            else 12
            8   itab w1 is of 0x_                       else 12
            9   w2 = u64 [w30+24]                            else 12
            10  w0 = u64 [w2+0]                              else 12
            11  jump 13
            12  w0 = 0
            13  w1 = u64 [w29+16]                            else 15
            14  jump 16
            15  w1 = 0
            16  w2 = i16 [w0+2]                              else 19
            17  #0 word w2
            18  jump 20
            19  #0 failed
            20  #1 string [w1+16] limit 64                   else 22
            21  jump 23
            22  #1 failed
        "#]],
    );
}

#[test]
fn publishes_with_a_stream_or_not_at_all() {
    let end = |name: &str| Endpoint { address: format!("{name}.IP"), port: format!("{name}.Port") };
    let join = Join { channel: "test/2".to_owned(), local: end("l"), remote: end("r"), stream: Some("*".to_owned()) };
    let arguments = "r *main.addressTCP, l *main.addressTCP, s *main.Request";
    let mark = |stream: &str| Probe {
        role: Role::Mark,
        publish: Some(Join { stream: Some(stream.to_owned()), ..join.clone() }),
        ..probe("mark", "main.(*plain).Send", arguments, Vec::new())
    };
    check_program(
        vec![mark("s.length")],
        0,
        expect![[r#"
            0   w31 = cx
            1   w30 = bx
            2   w29 = ax
            3   w0 = u64 [w31+96]                            else 11
            4   join number stream w0
            5   join address local [w30+0]
            6   w1 = u64 [w30+24]                            else 11
            7   join number local w1
            8   join address remote [w29+0]
            9   w2 = u64 [w29+24]                            else 11
            10  join number remote w2
        "#]],
    );
    check_program(
        vec![mark("s.Method")],
        0,
        expect![[r#"
        probe mark: s.Method would have to be an integer, not string
        group only: the probe mark of its group is left out
    "#]],
    );
}
