//! From how much work on does it not matter who pauses?
//!
//! `cargo bench -p segno-benches --bench work`
//!
//! Three pieces of real work, each with more and more arithmetic for each item (`src/curve.rs`):
//!
//! - *tokenizer*: a source text, that of `generator.rs`, is cut into tokens, and there is a pause at each. The
//!   text of comments is cut into words, so that it has two loops within one another.
//! - *parser*: a text like JSON, made by chance that is always the same, is parsed by functions that call
//!   one another, up to nine deep, and there is a pause at each value, key, beginning and end.
//! - *fan-in*: a hundred producers send twenty words each through a channel with room for 128, and one
//!   consumer receives them all. Making the channel and the tasks is timed, too.
//!
//! The arithmetic is the consumer's, for each token, event or word. The figures are for one of them.
//!
//! Against, tokenizer and parser: the same functions with a callback, which cannot be paused (the floor);
//! what one writes by hand, an iterator that keeps in its fields where it is, the parser's with a stack of its
//! own; the crate `genawaiter` and futures that are polled by hand, which are what stackless
//! generators are in Rust, and where functions that call one another are boxed; bare corosensei, whose stack
//! is kept; and the crate `generator`, filled anew. Fan-in: two plain loops and a queue, without tasks (the
//! floor); bare corosensei; tokio's loop of the current thread and its channel; async-executor and
//! async-channel; may, whose channel has no bound.
//!
//! Fair, because the parts that look at the text are the same functions for all, the loops around them are
//! written once for all that have a stack and once for all that have none, and the sum of what the consumer
//! makes of the items is checked. A scalar value is parsed without a call, so that stackless code
//! boxes a future for each array and object only. The fastest three of several copies count (`src/copies.rs`).

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, CoroutineResult, Yielder};
use futures_lite::future::block_on;
use generator::{Gn, LocalGenerator, Scope};
use segno::sync::channel;
use segno::{EventLoop, Generator, Outlet};
use segno_benches::copies;
use segno_benches::copies::{shift, tell_apart};
use segno_benches::curve::work;
use segno_benches::question::{Contender, Question};
use segno_benches::rivals::{on_tokio, one_worker_of_may, tokio};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

fn main() {
    one_worker_of_may();
    let mut question = Question::new("work");
    question.curve("tokenizer", "token", items::<Tokenizer>(), contenders::<Tokenizer>());
    question.curve("parser", "event", items::<Parser>(), contenders::<Parser>());
    question.curve("fan-in of 100", "word", PRODUCERS * EACH, fan_in());
    question.finish();
}

/// What the items come out of.
trait Source: 'static {
    /// What it makes.
    type Item: Copy + 'static;
    /// Its name.
    const NAME: &'static str;

    /// Makes them all, with a stack.
    fn run<const COPY: usize>(out: &mut impl Emit<Self::Item>);
    /// Makes them all, without.
    async fn run_async<const COPY: usize>(out: &mut impl AsyncEmit<Self::Item>);
    /// Makes one after the other.
    fn by_hand<const COPY: usize>() -> impl Iterator<Item = Self::Item>;
    /// A number for an item.
    fn digest(item: Self::Item) -> u64;
}

/// Where items go, and what pauses, when there is a stack.
trait Emit<T> {
    fn emit(&mut self, item: T);
}

/// The same when there is none.
trait AsyncEmit<T> {
    async fn emit(&mut self, item: T);
}

// The texts.

/// Looks at a text, byte by byte.
#[derive(Clone)]
struct Scanner {
    /// The text.
    text: &'static [u8],
    /// How far it has come.
    at: usize,
}

impl Scanner {
    fn of(text: &'static [u8]) -> Scanner {
        Scanner { text: black_box(text), at: 0 }
    }

    /// The next byte.
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes the next byte if it is this one.
    #[inline(always)]
    fn eat(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += is_it as usize;
        is_it
    }

    /// Takes so many bytes.
    #[inline(always)]
    fn take(&mut self, count: usize) -> &'static [u8] {
        let taken = &self.text[self.at..self.at + count];
        self.at += count;
        taken
    }

    /// Takes bytes as long as they are so.
    #[inline(always)]
    fn take_while(&mut self, is_so: impl Fn(u8) -> bool) -> &'static [u8] {
        let from = self.at;
        while self.peek().is_some_and(&is_so) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    /// Takes blanks, and says what comes then.
    #[inline(always)]
    fn skip_blanks(&mut self) -> Option<u8> {
        self.take_while(|byte| byte.is_ascii_whitespace());
        self.peek()
    }

    /// Takes a string, with its quotes.
    #[inline(always)]
    fn string(&mut self) -> &'static [u8] {
        let from = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        &self.text[from..self.at]
    }
}

// The tokenizer.

struct Tokenizer;

#[derive(Clone, Copy)]
enum Kind {
    Word,
    Number,
    Text,
    Sign,
    Remark,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    text: &'static [u8],
}

impl Tokenizer {
    fn scanner() -> Scanner {
        Scanner::of(include_bytes!("generator.rs"))
    }

    /// Whether a comment begins here.
    #[inline(always)]
    fn comment(scanner: &Scanner) -> bool {
        scanner.text[scanner.at..].starts_with(b"//")
    }

    /// Takes a token that is no comment.
    #[inline(never)]
    fn token(scanner: &mut Scanner, first: u8) -> Token {
        let in_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let (kind, text) = match first {
            b'0'..=b'9' => (Kind::Number, scanner.take_while(in_word)),
            b'"' => (Kind::Text, scanner.string()),
            _ if in_word(first) => (Kind::Word, scanner.take_while(in_word)),
            _ => (Kind::Sign, scanner.take(1)),
        };
        Token { kind, text }
    }

    /// Takes a word of a comment, if there is one before the end of the line.
    #[inline(never)]
    fn remark(scanner: &mut Scanner) -> Option<Token> {
        scanner.take_while(|byte| byte == b' ');
        let text = scanner.take_while(|byte| byte != b' ' && byte != b'\n');
        (!text.is_empty()).then_some(Token { kind: Kind::Remark, text })
    }

    /// What a comment begins with.
    #[inline(always)]
    fn slashes(scanner: &mut Scanner) -> Token {
        Token { kind: Kind::Sign, text: scanner.take(2) }
    }
}

impl Source for Tokenizer {
    type Item = Token;
    const NAME: &'static str = "tokenizer";

    #[inline(always)]
    fn run<const COPY: usize>(out: &mut impl Emit<Token>) {
        let mut scanner = Tokenizer::scanner();
        shift::<COPY>();
        while let Some(first) = scanner.skip_blanks() {
            if !Tokenizer::comment(&scanner) {
                out.emit(Tokenizer::token(&mut scanner, first));
                continue;
            }
            out.emit(Tokenizer::slashes(&mut scanner));
            while let Some(word) = Tokenizer::remark(&mut scanner) {
                out.emit(word);
            }
        }
    }

    async fn run_async<const COPY: usize>(out: &mut impl AsyncEmit<Token>) {
        let mut scanner = Tokenizer::scanner();
        shift::<COPY>();
        while let Some(first) = scanner.skip_blanks() {
            if !Tokenizer::comment(&scanner) {
                out.emit(Tokenizer::token(&mut scanner, first)).await;
                continue;
            }
            out.emit(Tokenizer::slashes(&mut scanner)).await;
            while let Some(word) = Tokenizer::remark(&mut scanner) {
                out.emit(word).await;
            }
        }
    }

    #[inline(always)]
    fn by_hand<const COPY: usize>() -> impl Iterator<Item = Token> {
        Tokens { scanner: Tokenizer::scanner(), in_comment: false }
    }

    #[inline(always)]
    fn digest(token: Token) -> u64 {
        (token.kind as u64) << 32 | (token.text[0] as u64) << 16 | token.text.len() as u64
    }
}

/// The tokenizer as one writes it by hand.
struct Tokens {
    /// The text.
    scanner: Scanner,
    /// Whether it is between the words of a comment.
    in_comment: bool,
}

impl Iterator for Tokens {
    type Item = Token;

    #[inline(always)]
    fn next(&mut self) -> Option<Token> {
        if self.in_comment {
            match Tokenizer::remark(&mut self.scanner) {
                Some(word) => return Some(word),
                None => self.in_comment = false,
            }
        }
        let first = self.scanner.skip_blanks()?;
        if !Tokenizer::comment(&self.scanner) {
            return Some(Tokenizer::token(&mut self.scanner, first));
        }
        self.in_comment = true;
        Some(Tokenizer::slashes(&mut self.scanner))
    }
}

// The parser.

struct Parser;

#[derive(Clone, Copy)]
enum Event {
    Begin(u8),
    End(u8),
    Key(&'static [u8]),
    Scalar(&'static [u8]),
}

impl Parser {
    fn scanner() -> Scanner {
        static TEXT: LazyLock<Vec<u8>> = LazyLock::new(Parser::text);
        Scanner::of(&TEXT)
    }

    /// A text of some two thousand events.
    fn text() -> Vec<u8> {
        fn add(text: &mut Vec<u8>, depth: u32, chance: &mut impl FnMut(u64) -> u64) {
            if depth > 0 && (depth == 9 || depth < 8 && chance(5) > 2) {
                match chance(3) {
                    0 => text.extend(b"true"),
                    1 => text.extend(chance(1_000_000).to_string().bytes()),
                    _ => text.extend(format!("\"a text of {} words\"", chance(100)).bytes()),
                }
                return;
            }
            let is_object = depth > 0 && chance(2) == 0;
            text.push(if is_object { b'{' } else { b'[' });
            for number in 0..if depth == 0 { 60 } else { chance(3) + 1 } {
                if number > 0 {
                    text.extend(b", ");
                }
                if is_object {
                    text.extend(format!("\"key {number}\": ").bytes());
                }
                add(text, depth + 1, chance);
            }
            text.push(if is_object { b'}' } else { b']' });
        }
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut chance = move |below: u64| {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut text = Vec::new();
        add(&mut text, 0, &mut chance);
        text
    }

    /// Takes a value that has none inside.
    #[inline(never)]
    fn scalar(scanner: &mut Scanner) -> Event {
        Event::Scalar(match scanner.peek() {
            Some(b'"') => scanner.string(),
            _ => scanner.take_while(|byte| byte.is_ascii_alphanumeric()),
        })
    }

    /// Takes a key, and the colon.
    #[inline(never)]
    fn key(scanner: &mut Scanner) -> Event {
        scanner.skip_blanks();
        let key = scanner.string();
        scanner.skip_blanks();
        assert!(scanner.eat(b':'), "a key has a value");
        Event::Key(key)
    }

    /// Takes the beginning of an array or object, if one begins here.
    #[inline(always)]
    fn begin(scanner: &mut Scanner) -> Option<u8> {
        let first = scanner.skip_blanks().filter(|first| matches!(first, b'[' | b'{'))?;
        scanner.at += 1;
        Some(first)
    }

    /// Takes a comma, or else the end of an array or object. Says whether it was a comma.
    #[inline(always)]
    fn comma(scanner: &mut Scanner, first: u8) -> bool {
        scanner.skip_blanks();
        // The brackets that belong together are two apart in ASCII.
        scanner.eat(b',') || {
            assert!(scanner.eat(first + 2), "it ends as it began");
            false
        }
    }
}

/// What is inside an array or object, up to its end: it calls itself for each of those inside.
#[inline(never)]
fn inside<const COPY: usize, E: Emit<Event>>(scanner: &mut Scanner, first: u8, out: &mut E) {
    out.emit(Event::Begin(first));
    loop {
        if first == b'{' {
            out.emit(Parser::key(scanner));
        }
        match Parser::begin(scanner) {
            Some(first) => inside::<COPY, E>(scanner, first, out),
            None => out.emit(Parser::scalar(scanner)),
        }
        tell_apart::<COPY>();
        if !Parser::comma(scanner, first) {
            return out.emit(Event::End(first));
        }
    }
}

/// The same without a stack.
async fn inside_async<const COPY: usize, E: AsyncEmit<Event>>(
    scanner: &mut Scanner,
    first: u8,
    out: &mut E,
) {
    out.emit(Event::Begin(first)).await;
    loop {
        if first == b'{' {
            out.emit(Parser::key(scanner)).await;
        }
        match Parser::begin(scanner) {
            Some(first) => Box::pin(inside_async::<COPY, E>(scanner, first, out)).await,
            None => out.emit(Parser::scalar(scanner)).await,
        }
        tell_apart::<COPY>();
        if !Parser::comma(scanner, first) {
            return out.emit(Event::End(first)).await;
        }
    }
}

impl Source for Parser {
    type Item = Event;
    const NAME: &'static str = "parser";

    #[inline(always)]
    fn run<const COPY: usize>(out: &mut impl Emit<Event>) {
        let mut scanner = Parser::scanner();
        let first = Parser::begin(&mut scanner).expect("it is an array");
        inside::<COPY, _>(&mut scanner, first, out);
    }

    async fn run_async<const COPY: usize>(out: &mut impl AsyncEmit<Event>) {
        let mut scanner = Parser::scanner();
        let first = Parser::begin(&mut scanner).expect("it is an array");
        inside_async::<COPY, _>(&mut scanner, first, out).await;
    }

    #[inline(always)]
    fn by_hand<const COPY: usize>() -> impl Iterator<Item = Event> {
        Events { scanner: Parser::scanner(), open: Vec::new(), next: Next::Value }
    }

    #[inline(always)]
    fn digest(event: Event) -> u64 {
        match event {
            Event::Begin(first) => first as u64,
            Event::End(first) => (first as u64) << 16,
            Event::Key(text) => 1 << 32 | text.len() as u64,
            Event::Scalar(text) => (text[0] as u64) << 40 | text.len() as u64,
        }
    }
}

/// The parser as one writes it by hand.
struct Events {
    /// The text.
    scanner: Scanner,
    /// What the arrays and objects began with that have not ended, outermost first.
    open: Vec<u8>,
    /// What comes next.
    next: Next,
}

enum Next {
    Key,
    Value,
    Comma,
}

impl Iterator for Events {
    type Item = Event;

    #[inline(always)]
    fn next(&mut self) -> Option<Event> {
        if let Next::Comma = self.next {
            let first = *self.open.last()?;
            if !Parser::comma(&mut self.scanner, first) {
                self.open.pop();
                return Some(Event::End(first));
            }
            self.next = if first == b'{' { Next::Key } else { Next::Value };
        }
        if let Next::Key = self.next {
            self.next = Next::Value;
            return Some(Parser::key(&mut self.scanner));
        }
        let Some(first) = Parser::begin(&mut self.scanner) else {
            self.next = Next::Comma;
            return Some(Parser::scalar(&mut self.scanner));
        };
        self.open.push(first);
        self.next = if first == b'{' { Next::Key } else { Next::Value };
        Some(Event::Begin(first))
    }
}

// The contenders of both.

fn contenders<S: Source>() -> Vec<Contender> {
    vec![
        Contender::floor("callback", copies!(callback, S)).note("cannot be paused"),
        Contender::rival("iterator, by hand", copies!(by_hand, S)).note("stackless"),
        Contender::rival("genawaiter::rc", copies!(genawaiter, S)).note("stackless"),
        Contender::rival("future", copies!(future, S)).note("stackless"),
        Contender::rival("corosensei, kept stack", copies!(bare, S)),
        Contender::rival("generator, filled anew", copies!(generator, S)),
        Contender::segno("Generator::new", copies!(segno, S)),
    ]
}

/// How many items there are.
fn items<S: Source>() -> u64 {
    S::by_hand::<0>().count() as u64
}

/// What the consumer makes of an item.
#[inline(always)]
fn worked<S: Source>(item: S::Item, rounds: u64) -> u64 {
    work(S::digest(black_box(item)), rounds)
}

/// The sums that were found first, by source and rounds: all others must find the same.
static SUMS: Mutex<BTreeMap<(&str, u64), u64>> = Mutex::new(BTreeMap::new());

/// Compares what somebody has found.
fn check(name: &'static str, rounds: u64, sum: u64) {
    let first = *SUMS.lock().expect("nobody panics").entry((name, rounds)).or_insert(sum);
    assert_eq!(sum, first, "{name}: somebody has found other items");
}

/// The consumer of all that are iterators.
#[inline(always)]
fn consume<S: Source, const COPY: usize>(items: impl Iterator<Item = S::Item>, rounds: u64) {
    let mut sum = 0_u64;
    shift::<COPY>();
    for item in items {
        sum = sum.wrapping_add(worked::<S>(item, rounds));
    }
    check(S::NAME, rounds, sum);
}

/// Pauses nothing.
struct Callback<F>(F);

impl<T, F: FnMut(T)> Emit<T> for Callback<F> {
    #[inline(always)]
    fn emit(&mut self, item: T) {
        self.0(item);
    }
}

fn callback<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    |rounds| {
        let mut sum = 0_u64;
        let add = |item| sum = sum.wrapping_add(worked::<S>(item, rounds));
        S::run::<COPY>(&mut Callback(add));
        check(S::NAME, rounds, sum);
    }
}

fn by_hand<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    |rounds| consume::<S, COPY>(S::by_hand::<COPY>(), rounds)
}

impl<T> Emit<T> for &Outlet<T> {
    #[inline(always)]
    fn emit(&mut self, item: T) {
        self.pause(item);
    }
}

fn segno<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    |rounds| {
        let items = Generator::new(|mut out: &Outlet<S::Item>| S::run::<COPY>(&mut out));
        consume::<S, COPY>(items, rounds);
    }
}

impl<T> Emit<T> for &Yielder<(), T> {
    #[inline(always)]
    fn emit(&mut self, item: T) {
        self.suspend(item);
    }
}

fn bare<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    let mut kept = Some(DefaultStack::default());
    move |rounds| {
        let stack = kept.take().expect("put back below");
        let mut co = Bare::with_stack(stack, |mut yielder: &Yielder<(), S::Item>, ()| {
            S::run::<COPY>(&mut yielder);
        });
        let next = || match co.resume(()) {
            CoroutineResult::Yield(item) => Some(item),
            CoroutineResult::Return(()) => None,
        };
        consume::<S, COPY>(std::iter::from_fn(next), rounds);
        kept = Some(co.into_stack());
    }
}

/// Its generators return an item as well: the last one, which is none.
impl<T> Emit<T> for Scope<'_, '_, (), Option<T>> {
    #[inline(always)]
    fn emit(&mut self, item: T) {
        self.yield_with(Some(item));
    }
}

fn generator<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    fn body<S: Source, const COPY: usize>(
        mut scope: Scope<'_, '_, (), Option<S::Item>>,
    ) -> Option<S::Item> {
        S::run::<COPY>(&mut scope);
        None
    }
    let mut kept: Option<LocalGenerator<'static, (), Option<S::Item>>> = None;
    move |rounds| {
        let mut co = match kept.take() {
            Some(mut co) => {
                co.scoped_init(body::<S, COPY>);
                co
            }
            None => Gn::new_scoped_local(body::<S, COPY>),
        };
        consume::<S, COPY>(std::iter::from_fn(|| co.resume().flatten()), rounds);
        kept = Some(co);
    }
}

impl<T> AsyncEmit<T> for genawaiter::rc::Co<T> {
    #[inline(always)]
    async fn emit(&mut self, item: T) {
        self.yield_(item).await;
    }
}

fn genawaiter<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    use genawaiter::rc::{Co, Gen};

    |rounds| {
        let run = async |mut co: Co<S::Item>| S::run_async::<COPY>(&mut co).await;
        consume::<S, COPY>(Gen::new(run).into_iter(), rounds);
    }
}

/// Where a future that is polled by hand leaves its items.
impl<T> AsyncEmit<T> for &Cell<Option<T>> {
    #[inline(always)]
    async fn emit(&mut self, item: T) {
        self.set(Some(item));
        let mut resumed = false;
        poll_fn(|_| match std::mem::replace(&mut resumed, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

fn future<S: Source, const COPY: usize>() -> impl FnMut(u64) {
    |rounds| {
        let slot = Cell::new(None);
        let run = async {
            let mut slot = &slot;
            S::run_async::<COPY>(&mut slot).await;
        };
        let mut run: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(run);
        let mut context = Context::from_waker(Waker::noop());
        let next = || {
            let _ = run.as_mut().poll(&mut context);
            slot.take()
        };
        consume::<S, COPY>(std::iter::from_fn(next), rounds);
    }
}

// The fan-in.

/// How many send.
const PRODUCERS: u64 = 100;
/// How many words each of them sends.
const EACH: u64 = 20;
/// Room in the channel.
const ROOM: usize = 128;

fn fan_in() -> Vec<Contender> {
    vec![
        Contender::floor("plain loops and a VecDeque", copies!(plain)).note("no tasks"),
        Contender::floor("corosensei and a VecDeque", copies!(bare_fan_in)).note("no tasks"),
        Contender::rival("tokio mpsc", copies!(tokio_fan_in)).note("stackless"),
        Contender::rival("async-channel", copies!(executor_fan_in)).note("stackless"),
        Contender::rival_timed("may mpsc", may_fan_in).note("its channel has no bound"),
        Contender::segno("bounded(128)", copies!(segno_fan_in)),
    ]
}

/// The words of a producer.
fn words(producer: u64) -> impl Iterator<Item = u64> {
    (producer * EACH..(producer + 1) * EACH).map(black_box)
}

/// Compares what the consumer has made of all words.
fn check_words(rounds: u64, sum: u64) {
    check("fan-in", rounds, sum);
}

fn plain<const COPY: usize>() -> impl FnMut(u64) {
    |rounds| {
        let mut queue = VecDeque::with_capacity(ROOM);
        let mut sum = 0_u64;
        shift::<COPY>();
        let mut receive = |queue: &mut VecDeque<u64>| {
            while let Some(word) = queue.pop_front() {
                sum = sum.wrapping_add(work(word, rounds));
            }
        };
        for word in (0..PRODUCERS).flat_map(words) {
            if queue.len() == ROOM {
                receive(&mut queue);
            }
            queue.push_back(word);
        }
        receive(&mut queue);
        check_words(rounds, sum);
    }
}

fn bare_fan_in<const COPY: usize>() -> impl FnMut(u64) {
    let mut kept: Vec<_> = (0..=PRODUCERS).map(|_| DefaultStack::default()).collect();
    move |rounds| {
        let queue = Rc::new(RefCell::new(VecDeque::with_capacity(ROOM)));
        let stack = kept.pop().expect("put back below");
        let theirs = queue.clone();
        let mut receiver = Bare::with_stack(stack, move |yielder: &Yielder<(), u64>, ()| {
            let mut sum = 0_u64;
            shift::<COPY>();
            loop {
                // A variable, because the borrow ends with the statement.
                let word = theirs.borrow_mut().pop_front();
                match word {
                    Some(word) => sum = sum.wrapping_add(work(word, rounds)),
                    None if Rc::strong_count(&theirs) == 1 => return sum,
                    None => yielder.suspend(sum),
                }
            }
        });
        let mut senders: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (queue, stack) = (queue.clone(), kept.pop().expect("put back below"));
                Bare::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
                    shift::<COPY>();
                    for word in words(producer) {
                        while queue.borrow().len() == ROOM {
                            yielder.suspend(());
                        }
                        queue.borrow_mut().push_back(word);
                    }
                })
            })
            .collect();
        drop(queue);
        while !senders.is_empty() {
            // Whoever has sent all of its words is out.
            for mut sender in std::mem::take(&mut senders) {
                match sender.resume(()) {
                    CoroutineResult::Yield(()) => senders.push(sender),
                    CoroutineResult::Return(()) => kept.push(sender.into_stack()),
                }
            }
            if let CoroutineResult::Return(sum) = receiver.resume(()) {
                check_words(rounds, sum);
            }
        }
        assert!(receiver.done(), "a sender has ended without the receiver");
        kept.push(receiver.into_stack());
    }
}

fn tokio_fan_in<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |rounds| {
        let sum = on_tokio(&runtime, async move {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(ROOM);
            for producer in 0..PRODUCERS {
                let sender = sender.clone();
                drop(tokio::spawn(async move {
                    shift::<COPY>();
                    for word in words(producer) {
                        sender.send(word).await.expect("it is received");
                    }
                }));
            }
            drop(sender);
            let mut sum = 0_u64;
            shift::<COPY>();
            while let Some(word) = receiver.recv().await {
                sum = sum.wrapping_add(work(word, rounds));
            }
            sum
        });
        check_words(rounds, sum);
    }
}

fn executor_fan_in<const COPY: usize>() -> impl FnMut(u64) {
    let executor = Rc::new(async_executor::LocalExecutor::new());
    move |rounds| {
        let spawner = executor.clone();
        let main = executor.spawn(async move {
            let (sender, receiver) = async_channel::bounded(ROOM);
            for producer in 0..PRODUCERS {
                let sender = sender.clone();
                let send = async move {
                    shift::<COPY>();
                    for word in words(producer) {
                        sender.send(word).await.expect("it is received");
                    }
                };
                spawner.spawn(send).detach();
            }
            drop(sender);
            let mut sum = 0_u64;
            shift::<COPY>();
            while let Ok(word) = receiver.recv().await {
                sum = sum.wrapping_add(work(word, rounds));
            }
            sum
        });
        check_words(rounds, block_on(executor.run(main)));
    }
}

fn may_fan_in(rounds: u64) -> Duration {
    let main = move || {
        let start = Instant::now();
        let (sender, receiver) = may::sync::mpsc::channel();
        for producer in 0..PRODUCERS {
            let sender = sender.clone();
            may::go!(move || words(producer).for_each(|word| sender.send(word).expect("received")));
        }
        drop(sender);
        let mut sum = 0_u64;
        while let Ok(word) = receiver.recv() {
            sum = sum.wrapping_add(work(word, rounds));
        }
        let took = start.elapsed();
        check_words(rounds, sum);
        took
    };
    may::go!(main).join().expect("it does not panic")
}

fn segno_fan_in<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |rounds| {
        let main = || {
            let (sender, receiver) = channel::bounded(ROOM);
            for producer in 0..PRODUCERS {
                let sender = sender.clone();
                drop(segno::spawn(move || {
                    shift::<COPY>();
                    for word in words(producer) {
                        sender.send(word).expect("it is received");
                    }
                }));
            }
            drop(sender);
            let mut sum = 0_u64;
            shift::<COPY>();
            while let Ok(word) = receiver.recv() {
                sum = sum.wrapping_add(work(word, rounds));
            }
            sum
        };
        check_words(rounds, event_loop.run(main).expect("it is not stopped"));
    }
}
