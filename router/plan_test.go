package router

import (
	"os"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestEveryDeclarationIsSound(t *testing.T) {
	if err := config.CheckCatalogue(Catalogue()); err != nil {
		t.Error(err)
	}
}

func TestTry(t *testing.T) {
	p, errs := config.Compile(os.Getenv("F"), Catalogue(), os.LookupEnv)
	for _, w := range p.Warnings {
		t.Log("warning", w)
	}
	for _, e := range errs {
		t.Log(e)
	}
	if len(errs) == 0 {
		p.Write(os.Stdout)
	}
}
