package vm

// A node is an expression. pos is embedded in each.
type node interface {
	compile(c *compiler) evalFn
	where() *pos
}

// A multiNode is an expression that may have any number of results: a call, or "...".
type multiNode interface {
	node
	compileMulti(c *compiler) multiFn
}

// A stmt is a statement.
type stmt interface {
	compile(c *compiler) execFn
}

type pos struct{ line, depth int }

func (p *pos) where() *pos { return p }

// A local is a local variable. One that a function captures is in a cell, which its slot holds.
type local struct {
	name     string
	slot     int
	captured bool
}

// An upvalue is a variable of an enclosing function: that function's local or upvalue.
type upvalue struct {
	name      string
	fromLocal *local
	fromUp    int
}

// A block is a sequence of statements. cost is how many steps it takes, without those of inner blocks.
type block struct {
	stmts []stmt
	cost  int
}

// A funcBody is a function as it was parsed.
type funcBody struct {
	parent   *funcBody
	name     string
	line     int
	params   []*local
	dots     bool
	body     *block
	upvalues []upvalue

	active []*local // in scope at the parser's position
	slots  int      // in use
	most   int      // maximum of slots
	depth  int      // the deepest expression
	level  int      // of open blocks
}

type (
	constNode struct {
		pos
		v Value
	}
	dotsNode  struct{ pos }
	localNode struct {
		pos
		l *local
	}
	upNode struct {
		pos
		index int
		name  string
	}
	globalNode struct {
		pos
		name string
	}
	indexNode struct {
		pos
		obj, key node
	}
	callNode struct {
		pos
		fn     node
		method string
		args   []node
	} // method: fn:method(args)
	funcNode struct {
		pos
		body *funcBody
	}
	parenNode struct {
		pos
		inner node
	}
	unaryNode struct {
		pos
		op token
		x  node
	}
	binaryNode struct {
		pos
		op   token
		l, r node
	} // arithmetic
	cmpNode struct {
		pos
		op   token
		l, r node
	}
	logicNode struct {
		pos
		and  bool
		l, r node
	}
	concatNode struct {
		pos
		parts []node
	}
	tableNode struct {
		pos
		elems      []node
		keys, vals []node
	}
)

type (
	localStmt struct {
		pos
		locals []*local
		values []node
	}
	assignStmt struct {
		pos
		targets, values []node
	}
	callStmt  struct{ call *callNode }
	doStmt    struct{ body *block }
	whileStmt struct {
		cond node
		body *block
	}
	repeatStmt struct {
		body *block
		cond node
	}
	ifStmt struct {
		conds     []node
		blocks    []*block
		otherwise *block
	}
	forStmt struct {
		pos
		v              *local
		from, to, step node
		body           *block
	}
	forInStmt struct {
		pos
		vars   []*local
		values []node
		body   *block
	}
	localFunc struct {
		l  *local
		fn *funcNode
	}
	returnStmt struct {
		pos
		values []node
	}
	breakStmt struct{}
	gotoStmt  struct{ name string }
	labelStmt struct{ name string }
)
