package router

import (
	"flag"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/config/configtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEveryOptionIsDeclaredSoundly(t *testing.T) {
	if err := config.CheckCatalogue(Catalogue()); err != nil {
		t.Error(err)
	}
}

func TestWrongConfigurationsAreReportedInOneLineEach(t *testing.T) {
	configtest.Golden(t, "testdata/wrong/*.txt", Catalogue(), *update)
}

func TestRealConfigurationsCompileAsWritten(t *testing.T) {
	configtest.Golden(t, "testdata/plan/*.txt", Catalogue(), *update)
}
