// Command soak puts the package under outages, exits and load:
//
//	soak outages MESSAGES KILLS   sends and handles messages while the broker is killed again and again
//	soak exits COUNT              ends processes that have work pending
//	soak leaks CYCLES MESSAGES    opens, cancels and closes, then sends and receives; memory must not grow
package main

import (
	"log"
	"os"
	"strconv"

	"stargate/internal/child"
)

func main() {
	log.SetFlags(0)
	child.Serve()
	leave()
	if len(os.Args) < 3 {
		log.Fatal("soak outages MESSAGES KILLS | exits COUNT | leaks CYCLES MESSAGES")
	}
	var err error
	switch os.Args[1] {
	case "outages":
		err = outages(argument(2), argument(3))
	case "exits":
		err = exits(argument(2))
	case "leaks":
		err = leaks(argument(2), argument(3))
	default:
		log.Fatalf("there is no soak %s", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// argument returns a number of the command line.
func argument(place int) int {
	if len(os.Args) <= place {
		log.Fatalf("soak %s needs more numbers", os.Args[1])
	}
	number, err := strconv.Atoi(os.Args[place])
	if err != nil {
		log.Fatal(err)
	}
	return number
}
