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
            3   window 2: v19..v23 = [w30+0]
            4   window 0: v0..v18 = [w29+0]
            5   itab w31 is of 0x_                      else abort
            6   w0 = u64 v21+0 of window 2                   else abort
            7   itab w0 is of 0x_                       else abort
            8   w1 = u64 v22+0 of window 2                   else abort
            9   window 1: v18..v19 = [w1+0]
            10  not nil w1                                   else abort
            11  w3 = u64 v18+0 of window 1                   else 17
            12  window 4: v27..v29 = [w3+24]
            13  w4 = u64 v27+0 of window 4                   else 17
            14  itab w4 is of 0x_                       else 17
            15  w2 = u64 v28+0 of window 4                   else 17
            16  jump 18
            17  w2 = 0
            18  window 3: v23..v27 = [w2+0]
            19  w3 = w29+40
            20  w4 = u64 v2+0 of window 0                    else 0
            21  window 5: v29..v33 = [w4+0]
            22  w5 = u64 v3+0 of window 0                    else 0
            23  #0 string v0 of window 0 limit 64            else record it
            24  #1 string v31 of window 5 limit 64           else record it
            25  #2 string v29 of window 5 limit 64           else record it
            26  map w5 layout 0x_
            27  #3 key "Short", 5 bytes, limit 64, first of slice
            28  #4 key "A-Longer", 20 bytes, limit 64, first of slice
            29     key "-Header-"
            30     key "Name"
            31  w6 = u64 v4+0 of window 0                    else 35
            32  map w6 layout 0x_
            33  #5 key "label-17", 8 bytes, limit 64
            34  jump 36
            35  #5 failed
            36  w6 = u64 v14+0 of window 0                   else 39
            37  #6 type of itab w6                           else 39
            38  jump 40
            39  #6 failed
            40  w6 = u64 v16+0 of window 0                   else 43
            41  #7 type of type w6
            42  jump 44
            43  #7 failed
            44  #8 i16 v13+0 of window 0                     else record it
            45  #9 u64 v12+0 of window 0                     else record it
            46  #10 string v7 of window 0 limit 64           else record it
            47  w6 = u64 v18+0 of window 1                   else 51
            48  w7 = i16 [w6+2]                              else 51
            49  #11 word w7
            50  jump 52
            51  #11 failed
            52  w6 = u64 v16+0 of window 0                   else 57
            53  type w6 is 0x_                          else 57
            54  w7 = u64 v17+0 of window 0                   else 57
            55  #12 string [w7+0] limit 64                   else 57
            56  jump 58
            57  #12 string v19 of window 2 limit 64          else record it
            58  w6 = u64 v14+0 of window 0                   else 64
            59  itab w6 is of 0x_                       else 64
            60  w7 = u64 v15+0 of window 0                   else 64
            61  w8 = u64 [w7+0]                              else 64
            62  #13 word w8
            63  jump 65
            64  #13 failed
            65  begin #14
            66  #14 failed
            67  if published                                 else 82
            68  w7 = u64 v18+0 of window 1                   else 74
            69  window 7: v37..v39 = [w7+8]
            70  w8 = u64 v37+0 of window 7                   else 74
            71  itab w8 is of 0x_                       else 74
            72  w6 = u64 v38+0 of window 7                   else 74
            73  jump 75
            74  w6 = 0
            75  window 6: v33..v37 = [w6+0]
            76  join address local v33 of window 6
            77  w7 = u64 v36+0 of window 6                   else 82
            78  join number local w7
            79  join address remote v23 of window 3
            80  w8 = u64 v26+0 of window 3                   else 82
            81  join number remote w8
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
            7   w24 = si
            8   #0 string w31, w30 limit 64
            9   #1 word w29
            10  #2 string [w28+0] limit 64                   else record it
            11  w0 = u64 [w27+24]                            else 14
            12  #3 word w0
            13  jump 15
            14  #3 failed
            15  #4 string w26, w25 limit 64
            16  w0 = u8 w24+0
            17  #5 word w0
            18  begin #6
            19  #6 failed
            20  begin #7
            21  #7 failed
            22  begin #8
            23  #8 failed
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
            3   window 0: v0..v4 = [w30+0]
            4   itab w31 is of 0x_                      else 7
            5   w0 = u64 v0+0 of window 0                    else 7
            6   jump 14
            7   itab w31 is of 0x_                      else 13
            8   w1 = u64 v2+0 of window 0                    else 13
            9   itab w1 is of 0x_                       else 13
            10  w2 = u64 v3+0 of window 0                    else 13
            11  w0 = u64 [w2+0]                              else 13
            12  jump 14
            13  w0 = 0
            14  w1 = u64 [w29+16]                            else 0
            15  w2 = i16 [w0+2]                              else 18
            16  #0 word w2
            17  jump 19
            18  #0 failed
            19  #1 string [w1+16] limit 64                   else record it
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
            3   window 1: v4..v8 = [w30+0]
            4   window 0: v0..v4 = [w29+0]
            5   w0 = u64 [w31+96]                            else 13
            6   join number stream w0
            7   join address local v4 of window 1
            8   w1 = u64 v7+0 of window 1                    else 13
            9   join number local w1
            10  join address remote v0 of window 0
            11  w2 = u64 v3+0 of window 0                    else 13
            12  join number remote w2
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
