package stargate_test

import "os"

// threads returns how many threads this process has.
func threads() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	return len(tasks)
}
