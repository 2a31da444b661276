//~ E0502, E0503, E0506
//! While a child may change something, its scope's closure neither reads nor changes that, although the child
//! was joined: nothing ties the loan to the handle.

fn main() {
    segno::run(|| {
        let mut words = vec!["al".to_owned()];
        segno::scope(|s| {
            let child = s.spawn(|| words.push("fine".to_owned()));
            println!("{}", words.len()); //~
            let _ = child.join();
            println!("{}", words.len()); //~
        });
        let mut sum = 0;
        segno::scope(|s| {
            s.spawn(|| sum += 1);
            sum += 1; //~
        });
        let read = segno::scope(|s| {
            s.spawn(|| words.len());
            sum = words.len();
            words.clear(); //~
        });
        let _ = (read, sum);
    });
}
