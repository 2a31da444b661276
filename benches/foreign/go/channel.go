//go:build !go1.23

package main

// Before Go 1.23 there is no coroutine to resume: a goroutine sends, and waits until it is received.
const pullNote = "a goroutine and a channel without room; this Go has no iter.Pull"

// A resume and the pause that answers it.
func pulls(times int) {
	items, stop := make(chan struct{}), make(chan struct{})
	go func() {
		for {
			select {
			case items <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	for i := 0; i < times; i++ {
		<-items
	}
	close(stop)
}

// One that is created, sends once, and ends.
func pullOne(times int) {
	for i := 0; i < times; i++ {
		items := make(chan int)
		go func(i int) {
			items <- i
			close(items)
		}(i)
		if <-items != i {
			panic("another's value")
		}
		<-items
	}
}

func pullWalk(tree *node) int {
	items := make(chan int)
	go func() {
		tree.walk(items)
		close(items)
	}()
	sum := 0
	for key := range items {
		sum += key
	}
	return sum
}

func (n *node) walk(items chan int) {
	if n != nil {
		n.left.walk(items)
		items <- n.key
		n.right.walk(items)
	}
}
