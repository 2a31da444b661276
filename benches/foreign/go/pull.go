//go:build go1.23

package main

import "iter"

const pullNote = "iter.Pull"

// A resume and the pause that answers it.
func pulls(times int) {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
		}
	})
	for i := 0; i < times; i++ {
		next()
	}
	stop()
}

// One that is created, resumed once, and ended.
func pullOne(times int) {
	for i := 0; i < times; i++ {
		next, stop := iter.Pull(func(yield func(int) bool) { yield(i) })
		if value, _ := next(); value != i {
			panic("another's value")
		}
		stop()
	}
}

func pullWalk(tree *node) int {
	next, stop := iter.Pull(func(yield func(int) bool) { tree.walk(yield) })
	defer stop()
	sum := 0
	for key, more := next(); more; key, more = next() {
		sum += key
	}
	return sum
}

func (n *node) walk(yield func(int) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key) && n.right.walk(yield)
}
